"""Where two sides part, tag by tag: use, substitutions, containment, a grid of two dimensions. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rayjob.labels.agreement import Bools, Coded, Floats


@dataclass(frozen=True, slots=True)
class TagUse:
    """Rows in which each side and both use a tag, and Cohen's kappa of the two (nan: undefined)."""

    dimension: str
    tag: str
    a: int
    b: int
    both: int
    kappa: float

    @property
    def gap(self) -> int:
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class Substitution:
    """Rows in which side a has one tag where side b has the other ("" stands for nothing)."""

    dimension: str
    a: str
    b: str
    rows: int


@dataclass(frozen=True, slots=True)
class Containment:
    """How the sides' sets lie to each other, in rows; `both_empty` is not in `equal`."""

    dimension: str
    both_empty: int
    equal: int
    a_in_b: int
    b_in_a: int
    overlap: int
    disjoint: int


def _known(coded: Coded, a: int, b: int) -> tuple[Bools, Bools]:
    both = coded.known[a] & coded.known[b]
    return coded.members[a][both], coded.members[b][both]


def tag_uses(coded: Coded, a: int = 0, b: int = 1) -> list[TagUse]:
    """Every tag in use, the largest gap in use first."""
    left, right = _known(coded, a, b)
    rows = max(len(left), 1)
    in_a, in_b, both = left.sum(axis=0), right.sum(axis=0), (left & right).sum(axis=0)
    observed = 1 - (in_a + in_b - 2 * both) / rows
    expected = in_a / rows * in_b / rows + (1 - in_a / rows) * (1 - in_b / rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    uses = [
        TagUse(coded.name, tag, int(in_a[i]), int(in_b[i]), int(both[i]), float(kappa[i]))
        for i, tag in enumerate(coded.tags)
    ]
    return sorted((use for use in uses if use.a or use.b), key=lambda use: (-abs(use.gap), use.dimension, use.tag))


def substitutions(coded: Coded, a: int = 0, b: int = 1) -> list[Substitution]:
    """Tags one side has instead of the other's, the most frequent first.

    Among sets a row counts only if each side lacks exactly one of the other's tags or one side merely adds a single
    tag: with more missing on both sides nobody can say which stands for which.
    """
    left, right = _known(coded, a, b)
    only_a, only_b = left & ~right, right & ~left
    count_a, count_b = only_a.sum(axis=1), only_b.sum(axis=1)
    rows = np.flatnonzero((count_a <= 1) & (count_b <= 1) & (count_a + count_b > 0))
    names = np.array([*coded.tags, ""])
    empty = len(coded.tags)
    at_a = np.where(count_a[rows] == 1, _first(only_a[rows]), empty)
    at_b = np.where(count_b[rows] == 1, _first(only_b[rows]), empty)
    pairs, counts = np.unique(np.column_stack([at_a, at_b]), axis=0, return_counts=True)
    found = [
        Substitution(coded.name, str(names[x]), str(names[y]), int(count))
        for (x, y), count in zip(pairs, counts, strict=True)
    ]
    return sorted(found, key=lambda item: (-item.rows, item.dimension, item.a, item.b))


def _first(members: Bools) -> Floats:
    return np.asarray(members.argmax(axis=1) if members.shape[1] else np.zeros(len(members), dtype=np.int64))


def containment(coded: Coded, a: int = 0, b: int = 1) -> Containment:
    """Count the rows by how the two sets lie to each other; an empty set lies in any other."""
    left, right = _known(coded, a, b)
    size_a, size_b, shared = left.sum(axis=1), right.sum(axis=1), (left & right).sum(axis=1)
    empty = (size_a == 0) & (size_b == 0)
    equal = (shared == size_a) & (shared == size_b) & ~empty
    a_in_b = (shared == size_a) & (size_b > size_a)
    b_in_a = (shared == size_b) & (size_a > size_b)
    rest = ~(empty | equal | a_in_b | b_in_a)
    kinds = (empty, equal, a_in_b, b_in_a, rest & (shared > 0), rest & (shared == 0))
    return Containment(coded.name, *(int(kind.sum()) for kind in kinds))


def grid_of(row: Coded, column: Coded, values: Floats, side: int = 0) -> tuple[Floats, Floats]:
    """Rows and mean of `values` per (tag of `row`, tag of `column`) on one side, each (row tags, column tags).

    The mean is nan where a cell holds no rows.
    """
    down, across = row.members[side].astype(np.float64), column.members[side].astype(np.float64)
    counts = down.T @ across
    with np.errstate(invalid="ignore", divide="ignore"):
        return counts, (down * values[:, None]).T @ across / np.where(counts > 0, counts, np.nan)
