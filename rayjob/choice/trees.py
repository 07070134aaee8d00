"""Boosted oblivious trees with a Bradley-Terry loss: a score per reasoning, learnt from pairs. Training in numpy,
one thread.

A tree asks the same question at every node of a level (Kohavi 1994; Prokhorenkova et al. 2018); its leaves take one
Newton step on
the pairs' logistic loss, the gradient of a pair being shared by its two reasonings with opposite signs (Burges et
al. 2005).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayjob.choice.data import Pairs

Array = npt.NDArray[np.float64]
Bins = npt.NDArray[np.int64]
BIN_COUNT = 32


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Size and speed of the boosting."""

    trees: int = 400
    depth: int = 3
    rate: float = 0.08
    penalty: float = 20.0
    columns: float = 0.3
    pairs: float = 0.7
    patience: int = 60


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees as arrays: features and thresholds [trees, depth], leaf values [trees, 2**depth]. x > threshold goes
    right."""

    features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.float32]
    leaves: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PairSet:
    """Pairs (winner, loser) to learn from with their weights, and pairs to stop by."""

    train: Pairs
    weights: Array
    valid: Pairs


def bin_edges(values: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Edges per column: midpoints where there are few values, else quantiles."""
    edges = []
    for column in values.T:
        distinct = np.unique(column)
        if len(distinct) <= BIN_COUNT:
            edges.append(((distinct[1:] + distinct[:-1]) / 2).astype(np.float32))
        else:
            edges.append(np.unique(np.quantile(column, np.linspace(0, 1, BIN_COUNT + 1)[1:-1])).astype(np.float32))
    return edges


def grow(values: npt.NDArray[np.float32], pairs: PairSet, settings: TreeSettings, seed: int) -> Forest:
    """Boosts trees on [n, f] values until the loss on `pairs.valid` has not fallen for `patience` trees."""
    edges = bin_edges(values)
    bins = np.stack([np.searchsorted(edges[j], values[:, j], side="left") for j in range(values.shape[1])], axis=1)
    rng = np.random.default_rng(seed)
    scores = np.zeros(len(values))
    grown: list[tuple[list[tuple[int, int]], Array]] = []
    best, best_loss = 0, np.inf
    for count in range(1, settings.trees + 1):
        tree = _grow_tree(bins, scores, pairs, settings, rng)
        grown.append(tree)
        scores += tree[1][_leaf(bins, tree[0])]
        loss = _loss(scores, pairs.valid)
        if loss < best_loss:
            best, best_loss = count, loss
        elif count - best >= settings.patience:
            break
    return _pack(grown[:best], edges, settings.depth)


def _loss(scores: Array, pairs: Pairs) -> float:
    return float(np.logaddexp(0, scores[pairs[:, 1]] - scores[pairs[:, 0]]).mean())


def _grow_tree(
    bins: Bins, scores: Array, pairs: PairSet, settings: TreeSettings, rng: np.random.Generator
) -> tuple[list[tuple[int, int]], Array]:
    taken = rng.random(len(pairs.train)) < settings.pairs
    first, second, weight = pairs.train[taken, 0], pairs.train[taken, 1], pairs.weights[taken]
    wrong = 1 / (1 + np.exp(scores[first] - scores[second]))
    pull, curve = weight * wrong, weight * wrong * (1 - wrong)
    n = len(bins)
    gradient = np.bincount(first, pull, n) - np.bincount(second, pull, n)
    hessian = np.bincount(first, curve, n) + np.bincount(second, curve, n)
    items = np.flatnonzero(hessian > 0)
    columns = np.sort(rng.choice(bins.shape[1], max(1, int(settings.columns * bins.shape[1])), replace=False))
    small = bins[np.ix_(items, columns)]
    sums = np.asarray(gradient[items], np.float64), np.asarray(hessian[items], np.float64)
    leaf = np.zeros(len(items), dtype=np.int64)
    tests: list[tuple[int, int]] = []
    for level in range(settings.depth):
        column, edge = _best_test(small, leaf, 2**level, sums, settings.penalty)
        tests.append((int(columns[column]), edge))
        leaf = leaf * 2 + (small[:, column] > edge)
    total = np.bincount(leaf, gradient[items], 2**settings.depth)
    step = total / (np.bincount(leaf, hessian[items], 2**settings.depth) + settings.penalty)
    return tests, np.asarray(settings.rate * step)


def _best_test(bins: Bins, leaf: Bins, leaves: int, sums: tuple[Array, Array], penalty: float) -> tuple[int, int]:
    """The (column, bin) whose split of all leaves at once gains most."""
    width, depth = bins.shape[1], BIN_COUNT + 1
    places = ((leaf[:, None] * width + np.arange(width)[None]) * depth + bins).ravel()
    size = leaves * width * depth
    left_g, left_h = (
        np.bincount(places, np.repeat(values, width), size).reshape(leaves, width, depth).cumsum(axis=2)
        for values in sums
    )
    all_g, all_h = left_g[:, :1, -1:], left_h[:, :1, -1:]
    gain: Array = (left_g**2 / (left_h + penalty) + (all_g - left_g) ** 2 / (all_h - left_h + penalty)).sum(axis=0)[
        :, :-1
    ]
    column, edge = np.unravel_index(int(gain.argmax()), gain.shape)
    return int(column), int(edge)


def _leaf(bins: Bins, tests: list[tuple[int, int]]) -> Bins:
    leaf = np.zeros(len(bins), dtype=np.int64)
    for column, edge in tests:
        leaf = leaf * 2 + (bins[:, column] > edge)
    return leaf


def _pack(grown: list[tuple[list[tuple[int, int]], Array]], edges: list[npt.NDArray[np.float32]], depth: int) -> Forest:
    threshold: Callable[[int, int], float] = lambda column, edge: (  # noqa: E731
        float(edges[column][edge]) if edge < len(edges[column]) else float("inf")
    )
    features = np.asarray([[column for column, _ in tests] for tests, _ in grown], dtype=np.int64).reshape(-1, depth)
    thresholds = np.asarray([[threshold(*test) for test in tests] for tests, _ in grown], dtype=np.float32).reshape(
        -1, depth
    )
    leaves = np.asarray([leaf for _, leaf in grown], dtype=np.float32).reshape(-1, 2**depth)
    return Forest(features, thresholds, leaves)
