"""How far two sides agree on one dimension: per-row comparison and chance-corrected statistics. Reads nothing.

Every statistic is a function of column sums over rows, so that a bootstrap draw is one matrix product
(`agreement_bootstrap`) and a point estimate is the draw in which every row counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: One side of one dimension: per row the tags said (none: it says nothing), or None where the side is unknown.
Answers = Sequence[Sequence[str] | None]

#: Columns of `contributions` before the two blocks of one column per tag.
COLUMNS = (
    "known", "exact", "partial", "jaccard", "said", "exact_said", "partial_said", "jaccard_said", "shared", "size_a",
    "size_b",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coded:
    """One dimension of two or more sides over the same rows.

    `members` is (sides, rows, tags); `known` (sides, rows) is False where a side has no answer to compare, which is
    not the same as an answer that says nothing.
    """

    name: str
    multi: bool
    tags: tuple[str, ...]
    members: Bools
    known: Bools


@dataclass(frozen=True, slots=True)
class PairRows:
    """Two sides row by row, each (rows,); all zero where one of them is unknown."""

    known: Floats
    exact: Floats
    partial: Floats
    jaccard: Floats
    said: Floats
    shared: Floats
    size_a: Floats
    size_b: Floats


def code_answers(name: str, multi: bool, sides: Sequence[Answers]) -> Coded:
    """Turn the sides' answers into membership matrices over the sorted union of their tags."""
    tags = tuple(sorted({tag for side in sides for said in side if said for tag in said}))
    column = {tag: i for i, tag in enumerate(tags)}
    rows = len(sides[0])
    members = np.zeros((len(sides), rows, len(tags)), dtype=bool)
    known = np.zeros((len(sides), rows), dtype=bool)
    for s, side in enumerate(sides):
        known[s] = [said is not None for said in side]
        hits = [(row, column[tag]) for row, said in enumerate(side) if said for tag in said]
        if hits:
            at = np.array(hits)
            members[s, at[:, 0], at[:, 1]] = True
    return Coded(name, multi, tags, members, known)


def compare_rows(coded: Coded, a: int = 0, b: int = 1) -> PairRows:
    """Compare two sides row by row.

    exact: the same set (two that say nothing agree); partial: exact or a shared tag; jaccard: |A∩B| / |A∪B|, 1 for two
    empty sets and 0 where only one is empty; said: at least one side says something.
    """
    left, right = coded.members[a], coded.members[b]
    known = coded.known[a] & coded.known[b]
    size_a, size_b = left.sum(axis=1), right.sum(axis=1)
    shared = (left & right).sum(axis=1)
    union = size_a + size_b - shared
    exact = (shared == union) & known
    jaccard = np.where(union == 0, 1.0, shared / np.maximum(union, 1)) * known
    partial = exact | ((shared > 0) & known)
    said = (union > 0) & known
    columns = (known, exact, partial, jaccard, said, shared * known, size_a * known, size_b * known)
    return PairRows(*(np.asarray(column, dtype=np.float64) for column in columns))


def contributions(coded: Coded, a: int = 0, b: int = 1) -> Floats:
    """(rows, 11 + 2·tags): what each row adds to the sums that `measure` reads."""
    rows = compare_rows(coded, a, b)
    head = (
        rows.known, rows.exact, rows.partial, rows.jaccard, rows.said, rows.exact * rows.said,
        rows.partial * rows.said, rows.jaccard * rows.said, rows.shared, rows.size_a, rows.size_b,
    )  # fmt: skip
    mask = rows.known[:, None]
    return np.hstack([np.column_stack(head), coded.members[a] * mask, coded.members[b] * mask])


def measure(sums: Floats, multi: bool) -> dict[str, Floats]:
    """Statistics from sums of `contributions`, (..., 11 + 2·tags) → each (...); nan where one is not defined."""
    at = {name: sums[..., i] for i, name in enumerate(COLUMNS)}
    marginals = sums[..., len(COLUMNS) :]
    tags = marginals.shape[-1] // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {name: at[name] / at["known"] for name in ("exact", "partial", "jaccard")}
        found |= {f"{name}_said": at[f"{name}_said"] / at["said"] for name in ("exact", "partial", "jaccard")}
        share_a = marginals[..., :tags] / at["known"][..., None]
        share_b = marginals[..., tags:] / at["known"][..., None]
        if multi:
            return found | _multi_statistics(at, share_a, share_b)
        return found | {"kappa": cohen_kappa(found["exact"], share_a, share_b)}


def cohen_kappa(observed: Floats, share_a: Floats, share_b: Floats) -> Floats:
    """Cohen's kappa (1960): (p_o - p_e) / (1 - p_e). Saying nothing (what the shares lack to 1) is a category."""
    empty = (1 - share_a.sum(axis=-1)) * (1 - share_b.sum(axis=-1))
    expected = (share_a * share_b).sum(axis=-1) + empty
    return _beyond_chance(observed, expected)


def _multi_statistics(at: Mapping[str, Floats], share_a: Floats, share_b: Floats) -> dict[str, Floats]:
    """micro_f1; kappa pooled over tags (De Vries et al. 2008: mean p_o, mean p_e); flat_kappa of one row × tag table.

    A tag neither side uses has p_o = p_e = 1 and leaves the pooled kappa as it is: the pool's size does not matter.
    """
    unused = 1 if share_a.shape[-1] == 0 else 0  # nobody says anything: one tag that nobody uses, p_o = p_e = 1
    tags = share_a.shape[-1] + unused
    apart = at["size_a"] + at["size_b"] - 2 * at["shared"]
    observed = 1 - apart / (at["known"] * tags)
    expected = (share_a * share_b + (1 - share_a) * (1 - share_b)).sum(axis=-1) / tags + unused
    mean_a, mean_b = share_a.sum(axis=-1) / tags, share_b.sum(axis=-1) / tags
    return {
        "kappa": _beyond_chance(observed, expected),
        "flat_kappa": _beyond_chance(observed, mean_a * mean_b + (1 - mean_a) * (1 - mean_b)),
        "micro_f1": 2 * at["shared"] / (at["size_a"] + at["size_b"]),
    }


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    # Where chance alone agrees always (both sides constant) kappa is 0/0; rounding must not make it a number.
    room = 1 - expected
    return np.where(room > 1e-9, (observed - expected) / room, np.nan)
