"""Label spreading on a sparse nearest-neighbour graph (Zhou et al. 2004), and on to rows outside the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, unit
from rayjob.vectors.neighbours import EXACT_ROWS, Near, Neighbours
from rayjob.vectors.targets import Targets

#: Equal unit vectors come out up to about 5e-4 apart: distances are taken from float32 products.
COPY_DISTANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Graph:
    """A symmetric, degree-normalised kNN graph over the anchors: built once, labels spread over it many times."""

    index: Neighbours
    links: Any  # scipy CSR (anchors, anchors)
    width: float
    k: int


def build_graph(anchors: Floats, k: int = 10, seed: int = 0, exact_rows: int = EXACT_ROWS) -> Graph:
    """Weights exp(-2 d^2 / w^2), w the median distance to the k-th neighbour that is no copy; memory O(anchors * k)."""
    from scipy import sparse

    index = Neighbours(anchors, seed, exact_rows)
    near = index.search(anchors, k + 1)
    apart = near.distances[:, -1][near.distances[:, -1] > COPY_DISTANCE]
    width = float(np.median(apart)) if len(apart) else 1.0
    size = len(anchors)
    source = np.repeat(np.arange(size), near.rows.shape[1])
    weights = sparse.csr_matrix((_closeness(near, width).ravel(), (source, near.rows.ravel())), (size, size))
    weights = weights.maximum(weights.T)
    weights.setdiag(0)
    weights.eliminate_zeros()
    root = 1 / np.sqrt(np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1e-12))
    scale = sparse.diags(root)
    return Graph(index, (scale @ weights @ scale).tocsr().astype(np.float32), width, k)


#: Directions in which rows hardly differ are not blown up to more than about 1 / sqrt(this) of the usual spread.
RIDGE = 0.3


@dataclass(frozen=True, slots=True)
class Whitening:
    """A linear map after which rows differ about equally in all directions: no topic outweighs the others."""

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    def __call__(self, block: Floats) -> NDArray[np.float32]:
        """(n, d) rows in the other space, not scaled to length one."""
        return np.asarray((unit(block) - self.mean) @ self.matrix, np.float32)


def fit_whitening(anchors: Floats) -> Whitening:
    """From the covariance C of the anchors: C's eigenvectors over sqrt(eigenvalue + RIDGE * mean eigenvalue)."""
    rows = unit(anchors)
    mean = rows.mean(axis=0)
    values, directions = np.linalg.eigh(np.cov(rows - mean, rowvar=False, bias=True).reshape(rows.shape[1], -1))
    scale = np.sqrt(np.maximum(values, 0) + RIDGE * max(float(values.mean()), 1e-12))
    return Whitening(mean, np.asarray(directions / scale, np.float32))


@dataclass(frozen=True, slots=True)
class InOtherSpace:
    """A scorer that was fitted on whitened rows, for rows that are not."""

    scorer: SpreadLabels
    whitening: Whitening

    def scores(self, block: Floats) -> NDArray[np.float32]:
        """See SpreadLabels.scores."""
        return self.scorer.scores(self.whitening(block))


@dataclass(frozen=True, slots=True)
class SpreadLabels:
    """Labels spread over the anchors, F (anchors, tags + 1); the last column is how much label reached the anchor."""

    index: Neighbours
    mass: NDArray[np.float32]
    width: float
    k: int
    prior: NDArray[np.float32]

    def scores(self, block: Floats) -> NDArray[np.float32]:
        """(n, tags) in 0..1: the closeness-weighted mean of the nearest anchors (Delalleau et al. 2005, eq. 7)."""
        near = self.index.search(block, self.k)
        weights = _closeness(near, self.width)
        reached = np.zeros((len(weights), self.mass.shape[1]), np.float32)
        for place in range(weights.shape[1]):
            reached += weights[:, place, None] * self.mass[near.rows[:, place]]
        # The faint prior decides only where no label reached at all.
        faint = np.float32(1e-9)
        scores: NDArray[np.float32] = (reached[:, :-1] + faint * self.prior) / (reached[:, -1:] + faint)
        return scores


def spread_labels(graph: Graph, rows: Ints, targets: Targets, keep: float = 0.1, steps: int = 40) -> SpreadLabels:
    """F <- (1 - keep) S F + keep Y; `rows`: each labelled row's anchor. 0.9^40 = 1.5 % of the answer is left out."""
    seeds = np.zeros((graph.links.shape[0], len(targets.tags) + 1), np.float32)
    np.add.at(seeds, rows, np.hstack([targets.values, np.ones((len(rows), 1), np.float32)]))
    mass = seeds.copy()
    for _ in range(steps):
        mass = np.float32(1 - keep) * (graph.links @ mass) + np.float32(keep) * seeds
    return SpreadLabels(graph.index, mass, graph.width, graph.k, targets.values.mean(axis=0))


def _closeness(near: Near, width: float) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = np.exp(-2 * (near.distances / np.float32(width)) ** 2)
    return np.maximum(weights, np.float32(1e-12))
