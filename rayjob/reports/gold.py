"""A gold set: labels that several runs or reviewers vouch for, and how. Decides; reads and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rayjob.labels.agreement import Coded
from rayjob.labels.agreement_consensus import find_consensus
from rayjob.labels.taxonomy import Taxonomy
from rayjob.reports.compare_join import align_answers, code_joined, join_sides
from rayjob.reports.labelled import Labelled, LabelledError, Said

#: How sure a label is, the surest last: a merge prefers what people said.
RANKS = ("consensus", "unanimous", "review")


@dataclass(frozen=True, slots=True)
class GoldRow:
    """A row's accepted labels; `how[dimension]` is "unanimous", "consensus 0.97" or "review: ann, bob".

    A dimension that is absent is open: nobody vouches for it, not even for its being empty.
    """

    id: str
    uid: str
    labels: Mapping[str, Said]
    how: Mapping[str, str]
    stratum: str = ""
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold file: its rows, which dimensions are multi-select, the strata's sizes, and where it comes from."""

    rows: tuple[GoldRow, ...]
    multi: frozenset[str]
    created: str
    by: str = ""
    runs: tuple[str, ...] = ()
    taxonomy: str = ""
    method: str = ""
    population: Mapping[str, int] = field(default_factory=dict)
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """A row's dimension that was not accepted, with what each side said: for review."""

    id: str
    uid: str
    dimension: str
    said: Mapping[str, Said]


def build_gold(
    sides: Sequence[Labelled], quality: float | None, created: str, by: str = "", taxonomy: str = ""
) -> tuple[Gold, list[Open]]:
    """Accept what all runs say alike and, with a `quality`, what the consensus is at least that sure of.

    Raises LabelledError for fewer than two runs or none in common.
    """
    if len(sides) < 2:
        raise LabelledError("gold build needs two runs or more, or a review: one run cannot vouch for itself")
    sides = align_answers(sides)
    joined = join_sides(sides)
    coded = code_joined(sides, joined)
    accepted = {name: _accept(one, quality) for name, one in coded.items()}
    first, rows, left = sides[0], [], []
    for row, at in enumerate(joined.rows[0]):
        taken = {name: answer for name, answers in accepted.items() if (answer := answers[row]) is not None}
        labels = {name: answer[0] for name, answer in taken.items()}
        rows.append(GoldRow(first.ids[at], first.uids[at], labels, {name: how for name, (_, how) in taken.items()}))
        for name in accepted.keys() - taken.keys():
            said = {side.name: _words(coded[name], s, row) for s, side in enumerate(sides) if coded[name].known[s, row]}
            left.append(Open(first.ids[at], first.uids[at], name, said))
    method = "unanimous" if quality is None else f"unanimous, or Dawid-Skene consensus of {quality} or more"
    multi = frozenset(name for name, one in coded.items() if one.multi)
    gold = Gold(tuple(rows), multi, created, by, tuple(side.path for side in sides), taxonomy, method)
    return gold, sorted(left, key=lambda one: (one.id, one.dimension))


def _accept(coded: Coded, quality: float | None) -> list[tuple[Said, str] | None]:
    """Per row the accepted answer and how it was found; None where it goes to review.

    Runs that say nothing where one tag is asked for have no answer: nothing is not what they vouch for.
    """
    every = coded.known.all(axis=0) & (coded.members[0].any(axis=1) | coded.multi)
    alike = every & (coded.members == coded.members[:1]).all(axis=(0, 2))
    accepted: list[tuple[Said, str] | None] = [
        (_words(coded, 0, row), "unanimous") if alike[row] else None for row in range(len(alike))
    ]
    if quality is not None:
        consensus = find_consensus(coded)
        said = consensus.members.any(axis=1) | coded.multi
        for row in np.flatnonzero(~alike & said & (consensus.probability >= quality)):
            tags = tuple(coded.tags[i] for i in np.flatnonzero(consensus.members[row]))
            accepted[row] = (tags, f"consensus {consensus.probability[row]:.3f}")
    return accepted


def _words(coded: Coded, side: int, row: int) -> Said:
    return tuple(coded.tags[i] for i in np.flatnonzero(coded.members[side, row]))


@dataclass(frozen=True, slots=True)
class Judged:
    """A row that people judged: how it was drawn, and what each of them said: {reviewer: {dimension: tags}}."""

    id: str
    uid: str
    answers: Mapping[str, Mapping[str, Said]]
    stratum: str = ""
    probability: float = 1.0


def gold_of_reviews(rows: Sequence[Judged], gold: Gold) -> tuple[Gold, list[Open]]:
    """`gold`, which says where it comes from, with the rows people agree on; a majority of three or more is enough."""
    made, left = [], []
    for row in rows:
        labels, how = {}, {}
        for name in dict.fromkeys(name for said in row.answers.values() for name in said):
            said = {who: tags[name] for who, tags in row.answers.items() if name in tags}
            tags, count = Counter(said.values()).most_common(1)[0]
            if count == len(said) or (len(said) > 2 and count * 2 > len(said)):
                labels[name] = tags
                how[name] = "review: " + ", ".join(sorted(who for who, one in said.items() if one == tags))
            else:
                left.append(Open(row.id, row.uid, name, said))
        made.append(GoldRow(row.id, row.uid, labels, how, row.stratum, row.probability))
    return replace(gold, rows=tuple(made)), left


def merge_gold(parts: Sequence[tuple[str, Gold]], prefer: str = "refuse") -> tuple[Gold, list[Open]]:
    """One gold of several (name, gold): people before unanimous runs before consensus.

    Equals that differ are left open; `prefer="last"` takes the last of them instead. Strata of golds with different
    populations (or none) cannot be combined: they are dropped then, and all rows count alike.
    """
    rows = _same_rows(parts)
    merged, left = [], []
    for same in rows.values():
        row, differing = _merge_row(same, prefer)
        merged.append(row)
        left += differing
    golds = [gold for _, gold in parts]
    populations = [dict(gold.population) for gold in golds]
    shared = populations[0] if all(one == populations[0] for one in populations) else {}
    made = Gold(
        rows=tuple(merged if shared else (replace(row, stratum="", probability=1.0) for row in merged)),
        multi=frozenset().union(*(gold.multi for gold in golds)),
        created=max(gold.created for gold in golds),
        by=", ".join(dict.fromkeys(gold.by for gold in golds if gold.by)),
        runs=tuple(dict.fromkeys(run for gold in golds for run in gold.runs)),
        taxonomy=golds[0].taxonomy if len({gold.taxonomy for gold in golds}) == 1 else "",
        method="merged: " + "; ".join(dict.fromkeys(gold.method for gold in golds)),
        population=shared,
        parents=tuple(name for name, _ in parts),
    )
    return made, left


def _same_rows(parts: Sequence[tuple[str, Gold]]) -> dict[str, list[tuple[str, GoldRow]]]:
    """The golds' rows by what they are called: their uid; where a file had none, that of the one row with their id."""
    uids: dict[str, set[str]] = {}
    for row in (row for _, gold in parts for row in gold.rows if has_uid(row.id, row.uid)):
        uids.setdefault(row.id, set()).add(row.uid)
    rows: dict[str, list[tuple[str, GoldRow]]] = {}
    for name, gold in parts:
        for row in gold.rows:
            known = uids.get(row.id, set())
            called = row.uid if has_uid(row.id, row.uid) else next(iter(known)) if len(known) == 1 else row.id
            rows.setdefault(called, []).append((name, row))
    return rows


def has_uid(id_: str, uid: str) -> bool:
    """Whether a row has a uid beside its id: a review of a file without uids calls its rows by their ids."""
    return uid not in ("", id_)


def _merge_row(same: Sequence[tuple[str, GoldRow]], prefer: str) -> tuple[GoldRow, list[Open]]:
    first = max((row for _, row in same), key=lambda row: has_uid(row.id, row.uid))
    labels, how, left = {}, {}, []
    for name in dict.fromkeys(name for _, row in same for name in row.labels):
        having = [(source, row) for source, row in same if name in row.labels]
        best = max(_rank(row.how.get(name, "")) for _, row in having)
        equals = [(source, row) for source, row in having if _rank(row.how.get(name, "")) == best]
        chosen = equals[-1][1]
        if prefer != "last" and len({row.labels[name] for _, row in equals}) > 1:
            left.append(Open(first.id, first.uid, name, {source: row.labels[name] for source, row in equals}))
            continue
        labels[name], how[name] = chosen.labels[name], chosen.how.get(name, "")
    return replace(first, labels=labels, how=how), left


def _rank(how: str) -> int:
    return next((rank for rank, word in enumerate(RANKS) if how.startswith(word)), 0)


def check_gold(gold: Gold, taxonomy: Taxonomy) -> list[tuple[str, str, int, str]]:
    """(dimension, tag, rows, hint) of every tag the taxonomy no longer has; tag "" for a dimension it lacks."""
    uses = Counter((name, tag) for row in gold.rows for name, tags in row.labels.items() for tag in tags)
    answered = Counter(name for row in gold.rows for name in row.labels)
    gone = [(name, "", rows, "no such dimension") for name, rows in answered.items() if name not in taxonomy.dimensions]
    for (name, tag), rows in sorted(uses.items()):
        if name in taxonomy.dimensions and tag not in taxonomy.dimensions[name].pool:
            gone.append((name, tag, rows, _where_now(taxonomy, name, tag)))
    return gone


def _where_now(taxonomy: Taxonomy, name: str, tag: str) -> str:
    aliased = [one.id for one in taxonomy.dimensions[name].tags if tag in one.aliases]
    moved = [other for other, dimension in taxonomy.dimensions.items() if tag in dimension.pool]
    if aliased:
        return f"now an alias of {aliased[0]}"
    return f"now in {', '.join(moved)}" if moved else "gone"
