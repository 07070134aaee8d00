"""Krippendorff's alpha for any number of sides: nominal for single tags, MASI distance for sets. Reads nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement import Bools, Coded, Floats

_BLOCK = 1_000  # distinct sets compared at a time: 1,000 × 10,000 distances are 80 MB


@dataclass(frozen=True, slots=True)
class AlphaRows:
    """What each row adds to alpha: (rows, 3) = values that can be paired, their disagreement, their expected distance.

    `expected` is the mean distance of two values drawn from all rows (before the N/(N-1) correction).
    """

    sums: Floats
    expected: float


def masi_distance(left: Bools, right: Bools) -> Floats:
    """(a, tags), (b, tags) → (a, b): 1 - Jaccard × monotonicity (Passonneau 2006); 0 between two empty sets.

    Monotonicity is 1 for equal sets, 2/3 where one contains the other, 1/3 where they only overlap, 0 where disjoint.
    An empty set is disjoint from every other.
    """
    shared = left.astype(np.float64) @ right.astype(np.float64).T
    size_a, size_b = left.sum(axis=1)[:, None], right.sum(axis=1)[None, :]
    union = size_a + size_b - shared
    contained = shared == np.minimum(size_a, size_b)
    monotonic = np.where(shared == union, 1.0, np.where(contained, 2 / 3, 1 / 3))
    apart: Floats = np.where(union == 0, 0.0, 1 - shared / np.maximum(union, 1) * monotonic)
    return apart


def alpha_rows(coded: Coded, sides: tuple[int, ...] | None = None) -> AlphaRows:
    """Prepare alpha over the given sides (all by default): nominal if the dimension is single-select, else MASI.

    Rows with fewer than two known sides cannot be paired and count for nothing (Krippendorff 2011).
    """
    chosen = list(range(coded.members.shape[0])) if sides is None else list(sides)
    members, known = coded.members[chosen], coded.known[chosen]
    known = known & (known.sum(axis=0) >= 2)
    values, index = _distinct(members)
    counts = np.bincount(index[known], minlength=len(values)).astype(np.float64)
    shares = counts / max(counts.sum(), 1.0)
    distance = _distance_to_all(values, shares, coded.multi)
    within = _within_rows(members, known, coded.multi)
    expected_row = (distance[index] * known).sum(axis=0)
    return AlphaRows(np.column_stack([known.sum(axis=0), within, expected_row]), float(shares @ distance))


def alpha_of(sums: Floats, expected: float) -> Floats:
    """alpha = 1 - D_o / D_e from sums of `AlphaRows.sums`, (..., 3) → (...).

    D_e is quadratic in the sums; a draw uses its first-order expansion around all rows, 2 p·g - p0·g, exact for the
    point estimate and off by O(1/rows) of D_e in a draw.
    """
    values, within, distance = sums[..., 0], sums[..., 1], sums[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = (2 * distance / values - expected) * values / (values - 1)
        return np.where(chance > 1e-12, 1 - within / values / chance, np.nan)


def _distinct(members: Bools) -> tuple[Bools, NDArray[np.int64]]:
    """The distinct sets among all sides and rows, and (sides, rows) which one each is."""
    sides, rows, tags = members.shape
    packed = np.packbits(members.reshape(sides * rows, tags), axis=1) if tags else np.zeros((sides * rows, 1), np.uint8)
    keys = np.ascontiguousarray(packed).view([("", packed.dtype)] * packed.shape[1]).ravel()
    _, first, index = np.unique(keys, return_index=True, return_inverse=True)
    return members.reshape(sides * rows, tags)[first], index.reshape(sides, rows)


def _distance_to_all(values: Bools, shares: Floats, multi: bool) -> Floats:
    """(values,): the mean distance from each distinct value to a value drawn from `shares`."""
    if not multi:
        return np.asarray(1.0 - shares, dtype=np.float64)
    blocks = [masi_distance(values[i : i + _BLOCK], values) @ shares for i in range(0, len(values), _BLOCK)]
    return np.asarray(np.concatenate(blocks), dtype=np.float64)


def _within_rows(members: Bools, known: Bools, multi: bool) -> Floats:
    """(rows,): the summed distances of a row's ordered pairs of values over (values - 1)."""
    total = np.zeros(members.shape[1])
    for a in range(len(members)):
        for b in range(a + 1, len(members)):
            total += 2 * _row_distance(members[a], members[b], multi) * (known[a] & known[b])
    return np.asarray(total / np.maximum(known.sum(axis=0) - 1, 1), dtype=np.float64)


def _row_distance(left: Bools, right: Bools, multi: bool) -> Floats:
    same = (left == right).all(axis=1)
    if not multi:
        return np.asarray(~same, dtype=np.float64)
    shared = (left & right).sum(axis=1)
    size_a, size_b = left.sum(axis=1), right.sum(axis=1)
    monotonic = np.where(same, 1.0, np.where(shared == np.minimum(size_a, size_b), 2 / 3, 1 / 3))
    jaccard = np.where(same, 1.0, shared / np.maximum(size_a + size_b - shared, 1))
    return np.asarray(1 - jaccard * monotonic, dtype=np.float64)
