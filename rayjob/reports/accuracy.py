"""How accurate a run is against gold or reviewers: rates with intervals, per-tag counts, confusions, arbitration.

Where the judged rows were drawn with known probabilities, everything is weighted back to the whole run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import TypeVar

import numpy as np

from rayjob.labels import agreement_accuracy as accuracy
from rayjob.labels.agreement import Coded, Floats, code_answers, compare_rows
from rayjob.labels.agreement_bootstrap import Interval
from rayjob.reports.gold import Gold, Judged, has_uid
from rayjob.reports.labelled import Labelled, LabelledError, Said

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class TagScore:
    """One tag: judged rows in which gold has it, weighted precision and recall with Wilson intervals, and F1."""

    tag: str
    gold_rows: int
    run_rows: int
    precision: Interval
    recall: Interval
    f1: float


@dataclass(frozen=True, slots=True)
class Arbitrated:
    """What arbitration changed: rows it made right, rows it made wrong, rows it changed from wrong to wrong; `p` of a
    sign test that better and worse are equally likely."""

    better: int
    worse: int
    still_wrong: int
    p: float


@dataclass(frozen=True, slots=True)
class Score:
    """One dimension against gold. `confusions` are (gold, run, rows), the most frequent first; `uncovered` is the share
    of the run that no judged row stands for."""

    dimension: str
    rows: int
    accuracy: Interval
    jaccard: float
    macro_f1: float
    micro_f1: float
    tags: tuple[TagScore, ...]
    confusions: tuple[tuple[str, str, int], ...]
    arbitrated: Arbitrated | None
    uncovered: float = 0.0


def score_run(run: Labelled, gold: Gold, seed: int = 0) -> list[Score]:
    """Score every dimension that gold vouches for. Raises LabelledError where run and gold share no rows."""
    rows = find_rows(run, [(row.id, row.uid) for row in gold.rows])
    if not rows:
        raise LabelledError(f"{run.path}: shares no row with this gold; rows are joined by uid, else by id")
    names = [name for name in run.answers if any(name in gold.rows[at].labels for at in rows)]
    return [_score(run, gold, rows, name, seed) for name in names]


def find_rows(run: Labelled, wanted: Sequence[tuple[str, str]]) -> dict[int, int]:
    """{row of the gold: row of the run}, by uid where both have one and their ids do not differ, else by an id (and
    turn) that stands once on both sides: a record has another uid where its file was renamed or had lines added."""
    by_uid = {uid: row for row, uid in enumerate(run.uids) if uid}
    found = {
        at: by_uid[uid]
        for at, (id_, uid) in enumerate(wanted)
        if uid in by_uid and _is_same(run, id_, uid, by_uid[uid])
    }
    same_input = bool(found)
    places = [_place(id_, uid) for id_, uid in zip(run.ids, run.uids, strict=True)]
    asked = [_place(id_, uid) for id_, uid in wanted]
    turns, ids = _once((id_, turn) for id_, _, turn in places), _once(id_ for id_, _, _ in places)
    asked_turns, asked_ids = _once((id_, turn) for id_, _, turn in asked), _once(id_ for id_, _, _ in asked)
    sources = {source for _, source, _ in places}
    for at, (id_, source, turn) in enumerate(asked):
        # Where uids are found, one of a file that the run has not read is another record, whatever its id.
        if at in found or (same_input and source and source not in sources):
            continue
        if asked_turns.get((id_, turn)) == at and (id_, turn) in turns:
            found[at] = turns[id_, turn]
        elif asked_ids.get(id_) == at and id_ in ids and "" in (turn, places[ids[id_]][2]):
            found[at] = ids[id_]
    return dict(sorted(found.items()))


def _is_same(run: Labelled, id_: str, uid: str, row: int) -> bool:
    """Whether the run's row of this uid may have this id: where a side has no ids, its uids stand for them."""
    return id_ == uid or run.ids[row] in (id_, uid)


def _place(id_: str, uid: str) -> tuple[str, str, str]:
    """(id, file, turn) of a row; a uid is file#row#turn."""
    parts = uid.rsplit("#", 2)
    return (id_, parts[0], parts[2]) if has_uid(id_, uid) and len(parts) == 3 else (id_, "", "")


def _once(names: Iterable[Name]) -> dict[Name, int]:
    """Where each name stands that stands once."""
    every = list(names)
    counts = Counter(every)
    return {name: at for at, name in enumerate(every) if counts[name] == 1}


def _score(run: Labelled, gold: Gold, rows: Mapping[int, int], name: str, seed: int) -> Score:
    at = [row for row in rows if name in gold.rows[row].labels]
    truth = [gold.rows[row].labels[name] for row in at]
    said = [tuple(run.answers[name][rows[row]] or ()) for row in at]
    first = [_first(run, name, rows[row]) for row in at]
    strata = [gold.rows[row].stratum for row in at]
    coded = code_answers(name, name in run.multi or name in gold.multi, [truth, said])
    compared = compare_rows(coded)
    weights = row_weights(strata, gold.population)
    tags = tuple(_score_tags(coded, weights))
    shared, size = (weights * compared.shared).sum(), (weights * (compared.size_a + compared.size_b)).sum()
    judged = [tag.f1 for tag in tags if tag.gold_rows]
    return Score(
        dimension=name,
        rows=len(at),
        accuracy=accuracy.estimate_share(accuracy.make_strata(compared.exact.tolist(), strata, gold.population), seed),
        jaccard=float(np.average(compared.jaccard, weights=weights)),
        macro_f1=float(np.mean(judged)) if judged else float("nan"),
        micro_f1=float(2 * shared / size) if size else float("nan"),
        tags=tags,
        confusions=_confusions(truth, said),
        arbitrated=_arbitration(truth, said, first),
        uncovered=accuracy.uncovered(strata, gold.population),
    )


def row_weights(strata: Sequence[str], population: Mapping[str, int]) -> Floats:
    """(rows,): how many rows of the run each judged row stands for, its stratum's size over its judged rows."""
    if not population:
        return np.ones(len(strata))
    counts = Counter(strata)
    return np.array([population.get(name, counts[name]) / counts[name] for name in strata])


def _score_tags(coded: Coded, weights: Floats) -> list[TagScore]:
    """Every tag that gold or the run uses; weighted counts, intervals over Kish's effective number of rows."""
    truth, said = coded.members
    found = []
    for i, tag in enumerate(coded.tags):
        both = truth[:, i] & said[:, i]
        precision, recall = (_rate(both, of, weights) for of in (said[:, i], truth[:, i]))
        total = weights[said[:, i]].sum() + weights[truth[:, i]].sum()
        f1 = float(2 * weights[both].sum() / total)
        found.append(TagScore(tag, int(truth[:, i].sum()), int(said[:, i].sum()), precision, recall, f1))
    return found


def _rate(both: np.ndarray, of: np.ndarray, weights: Floats) -> Interval:
    rows = accuracy.effective_rows(weights[of])
    share = weights[both].sum() / weights[of].sum() if of.any() else 0.0
    return accuracy.wilson_interval(float(share) * rows, rows)


def _confusions(truth: Sequence[Said], said: Sequence[Said], most: int = 10) -> tuple[tuple[str, str, int], ...]:
    pairs = Counter((", ".join(a) or "–", ", ".join(b) or "–") for a, b in zip(truth, said, strict=True) if a != b)
    return tuple((a, b, rows) for (a, b), rows in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:most])


def _first(run: Labelled, name: str, row: int) -> Said | None:
    """The answer before arbitration, where the run kept it."""
    answers = run.first.get(name)
    before = None if answers is None else answers[row]
    return None if before is None else tuple(before)


def _arbitration(truth: Sequence[Said], said: Sequence[Said], first: Sequence[Said | None]) -> Arbitrated | None:
    changed = [
        (before == right, after == right)
        for right, after, before in zip(truth, said, first, strict=True)
        if before is not None and before != after
    ]
    if not any(before is not None for before in first):
        return None
    better, worse = changed.count((False, True)), changed.count((True, False))
    return Arbitrated(better, worse, changed.count((False, False)), sign_test(better, worse))


def sign_test(better: int, worse: int) -> float:
    """Two-sided p of `better` against `worse` at even odds (McNemar's exact test); 1 where nothing changed."""
    count = better + worse
    ways: int = sum(comb(count, k) for k in range(min(better, worse) + 1))
    return float(min(1.0, ways / 2 ** (count - 1)))


@dataclass(frozen=True, slots=True)
class ReviewScore:
    """One dimension against reviewers: agreement with a reviewer and, where two judged some rows, the accuracy
    corrected for reviewers' own errors, and their error rate (all nan where nobody judged a row twice)."""

    dimension: str
    rows: int
    twice: int
    agreement: Interval
    corrected: Interval
    reviewer_error: Interval


def score_against_reviewers(
    run: Labelled, rows: Sequence[Judged], population: Mapping[str, int], choices: Mapping[str, int], seed: int = 0
) -> list[ReviewScore]:
    """Score a run against every answer of reviewers, the rows they disagree on included.

    A gold of agreed rows only would flatter the run: the rows people disagree on are the hard ones. `choices` holds the
    pool's size of single-select dimensions. Of more than two answers the first two (by reviewer) count. Raises
    LabelledError where run and rows share none.
    """
    found = find_rows(run, [(row.id, row.uid) for row in rows])
    if not found:
        raise LabelledError(f"{run.path}: shares no row with this review's answers; rows are joined by uid, else by id")
    names = [name for name in run.answers if any(name in said for row in rows for said in row.answers.values())]
    scores = []
    for name in names:
        patterns = [
            (row.stratum, _pattern(_two(row, name), tuple(run.answers[name][found[at]] or ())))
            for at, row in enumerate(rows)
            if at in found and _two(row, name)
        ]
        scores.append(_review_score(name, patterns, population, (choices.get(name, 0), seed)))
    return scores


def _two(row: Judged, name: str) -> list[Said]:
    return [row.answers[who][name] for who in sorted(row.answers) if name in row.answers[who]][:2]


def _pattern(said: Sequence[Said], label: Said) -> str:
    """Which field of `Doubled` the row counts for."""
    hits = sum(one == label for one in said)
    if len(said) == 1:
        return "single_hit" if hits else "single_miss"
    return ("none_same" if said[0] == said[1] else "none_apart") if hits == 0 else ("one" if hits == 1 else "both")


_HITS = {"single_hit": 1.0, "both": 1.0, "one": 0.5}


def _review_score(
    name: str, patterns: Sequence[tuple[str, str]], population: Mapping[str, int], how: tuple[int, int]
) -> ReviewScore:
    choices, seed = how
    strata = [stratum for stratum, _ in patterns]
    hits = [_HITS.get(pattern, 0.0) for _, pattern in patterns]
    sizes = {stratum: population.get(stratum, 1) for stratum in strata} if population else {"": 1}
    doubled = [
        accuracy.Doubled(
            size / sum(sizes.values()), **Counter(p for s, p in patterns if not population or s == stratum)
        )
        for stratum, size in sorted(sizes.items())
    ]
    corrected, error = accuracy.correct_for_reviewers(doubled, choices, seed)
    agreement = accuracy.estimate_share(accuracy.make_strata(hits, strata, population), seed)
    twice = sum(not pattern.startswith("single") for _, pattern in patterns)
    return ReviewScore(name, len(patterns), twice, agreement, corrected, error)
