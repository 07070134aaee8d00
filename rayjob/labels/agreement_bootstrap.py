"""Bootstrap intervals and paired differences over rows, as matrix products. Reads nothing; draws follow the seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement import Floats

Weights = NDArray[np.float32]

#: Rows × draws beyond this cost minutes; `affordable_draws` then draws less often and the caller says so.
MOST_CELLS = 200_000_000
_CHUNK_CELLS = 20_000_000  # 80 MB of float32 weights at a time


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % percentile bootstrap interval; nan where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference b - a over the same draws; `p` is two-sided; beyond noise: the 95 % interval excludes 0."""

    value: float
    low: float
    high: float
    p: float

    @property
    def beyond_noise(self) -> bool:
        return bool(self.low > 0 or self.high < 0)


def affordable_draws(rows: int, draws: int) -> int:
    """At most `draws`, fewer (but 100 at least, if asked for as many) where rows × draws passes MOST_CELLS."""
    return min(draws, max(100, MOST_CELLS // max(rows, 1)))


def draw_weights(rows: int, draws: int, seed: int) -> Iterable[Weights]:
    """Chunks of (some draws, rows): how often each row is in each draw of `rows` rows with replacement."""
    # One comparison asks for the same draws once per dimension and pair: keep them where they fit one chunk.
    return _kept_weights(rows, draws, seed) if rows * draws <= _CHUNK_CELLS else _make_weights(rows, draws, seed)


@lru_cache(maxsize=1)
def _kept_weights(rows: int, draws: int, seed: int) -> tuple[Weights, ...]:
    return tuple(_make_weights(rows, draws, seed))


def _make_weights(rows: int, draws: int, seed: int) -> Iterator[Weights]:
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK_CELLS // max(rows, 1))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        chunk = np.empty((count, rows), dtype=np.float32)
        for i in range(count):
            chunk[i] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        yield chunk


def sum_draws(table: Floats, draws: int, seed: int) -> Floats:
    """(rows, columns) → (1 + draws, columns): the sums over all rows, then over each draw."""
    columns = np.ascontiguousarray(table, dtype=np.float32)
    drawn = [chunk @ columns for chunk in draw_weights(len(table), draws, seed)] if len(table) else []
    return np.vstack([table.sum(axis=0, keepdims=True), *drawn]).astype(np.float64)


def sum_groups(table: Floats, groups: NDArray[np.int64] | None) -> Floats:
    """(rows, columns) → (groups, columns), so that rows which belong together are drawn together; None: each alone.

    Rows of one conversation are alike: drawn one by one they would count as more evidence than they are (cluster
    bootstrap, Field & Welsh 2007).
    """
    if groups is None:
        return table
    found = np.zeros((int(groups.max()) + 1, table.shape[1]))
    np.add.at(found, groups, table)
    return found


def interval(values: Floats) -> Interval:
    """Estimate (first value) and percentile interval (the others; nan where half of them are undefined)."""
    drawn = values[1:]
    defined = drawn[~np.isnan(drawn)]
    if np.isnan(values[0]) or len(defined) * 2 < len(drawn) or not len(defined):
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(defined, (0.025, 0.975))
    return Interval(float(values[0]), float(low), float(high))


def paired_difference(a: Floats, b: Floats) -> Difference:
    """Difference of two statistics over the same draws (first value: the estimate).

    p = 2 · min(share of draws ≤ 0, share ≥ 0), counting the estimate's own sample as a draw so that it is never 0.
    """
    apart = b - a
    drawn = apart[1:][~np.isnan(apart[1:])]
    if np.isnan(apart[0]) or not len(drawn):
        return Difference(float(apart[0]), float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, (0.025, 0.975))
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum()) + 1
    return Difference(float(apart[0]), float(low), float(high), float(min(1.0, 2 * tail / (len(drawn) + 1))))
