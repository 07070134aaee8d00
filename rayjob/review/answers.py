"""All answers of a review together: merging imports, conflicts, agreement between reviewers, what is left to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rayjob.labels.agreement import code_answers, contributions
from rayjob.labels.agreement_alpha import alpha_of, alpha_rows
from rayjob.review.reading import Answered, Kept
from rayjob.review.sheet import Review


@dataclass(frozen=True, slots=True)
class Conflict:
    """Reviewers who answered one dimension of one row differently: {reviewer: tags}."""

    key: str
    uid: str
    id: str
    dimension: str
    answers: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far reviewers agree on a dimension: rows two or more answered, share of exact agreement of all pairs of
    answers, Krippendorff's alpha (nominal, MASI for sets; nan where it is not defined)."""

    dimension: str
    rows: int
    exact: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What one reviewer was given and has answered, in rows (a row counts once every dimension is answered)."""

    reviewer: str
    given: int
    complete: int
    begun: int


def merge_answers(old: Sequence[Answered], new: Iterable[Answered]) -> tuple[list[Answered], list[Kept]]:
    """The answers with the newer ones taking the place of the same reviewer's older ones, dimension by dimension.

    What is replaced is kept; a blank cell replaces nothing.
    """
    merged = {(one.key, one.reviewer): one for one in old}
    kept = []
    for one in new:
        before = merged.get((one.key, one.reviewer))
        if before is None:
            merged[one.key, one.reviewer] = one
            continue
        for name, tags in before.answers.items():
            if name in one.answers and one.answers[name] != tags:
                why = f"replaced by row {one.row} of {one.file}"
                kept.append(_kept(before, name, ", ".join(tags), why))
        if one.comment and before.comment not in ("", one.comment):
            kept.append(_kept(before, "comment", before.comment, f"replaced by row {one.row} of {one.file}"))
        answers = {**before.answers, **one.answers}
        merged[one.key, one.reviewer] = replace(one, answers=answers, comment=one.comment or before.comment)
    return sorted(merged.values(), key=lambda one: (one.key, one.reviewer)), kept


def _kept(one: Answered, column: str, text: str, why: str) -> Kept:
    return Kept(one.file, one.row, one.key, one.reviewer, column, text, why)


def find_conflicts(answers: Sequence[Answered]) -> list[Conflict]:
    """Every row and dimension on which reviewers differ."""
    rows: dict[tuple[str, str], list[Answered]] = {}
    for one in answers:
        for name in one.answers:
            rows.setdefault((one.key, name), []).append(one)
    return [
        Conflict(key, said[0].uid, said[0].id, name, {one.reviewer: tuple(one.answers[name]) for one in said})
        for (key, name), said in sorted(rows.items())
        if len({tuple(sorted(one.answers[name])) for one in said}) > 1
    ]


def reviewers_agreement(review: Review, answers: Sequence[Answered]) -> list[Agreement]:
    """Agreement per dimension over the rows that more than one reviewer answered."""
    reviewers = sorted({one.reviewer for one in answers})
    keys = sorted({one.key for one in answers})
    by_place = {(one.key, one.reviewer): one for one in answers}
    found = []
    for name, pool in review.pools.items():
        sides = [[_tags(by_place.get((key, who)), name) for key in keys] for who in reviewers]
        if len(reviewers) > 1 and keys:
            found.append(_agreement(name, pool.select == "multi", sides))
    return [one for one in found if one.rows]


def _tags(one: Answered | None, name: str) -> tuple[str, ...] | None:
    return None if one is None else one.answers.get(name)


def _agreement(name: str, multi: bool, sides: list[list[tuple[str, ...] | None]]) -> Agreement:
    coded = code_answers(name, multi, sides)
    rows = alpha_rows(coded)
    pairs = [(a, b) for a in range(len(sides)) for b in range(a + 1, len(sides))]
    sums = [contributions(coded, a, b).sum(axis=0) for a, b in pairs]
    known, exact = sum(one[0] for one in sums), sum(one[1] for one in sums)
    twice = int((coded.known.sum(axis=0) > 1).sum())
    alpha = float(alpha_of(rows.sums.sum(axis=0), rows.expected))
    return Agreement(name, twice, float(exact / known) if known else float("nan"), alpha)


def find_progress(review: Review, answers: Sequence[Answered]) -> list[Progress]:
    """Per reviewer (those given rows and those who answered without), what is done."""
    assigned = {who for row in review.rows for who in row.reviewers}
    names = sorted(assigned | {one.reviewer for one in answers})
    found = []
    for who in names:
        given = sum(not row.reviewers or who in row.reviewers for row in review.rows)
        mine = [one for one in answers if one.reviewer == who]
        complete = sum(set(one.answers) >= set(review.pools) for one in mine)
        found.append(Progress(who, given, complete, len(mine)))
    return found
