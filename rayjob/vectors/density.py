"""DBCV: how dense clusters are inside against how empty it is between them, whatever their shape. Needs all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints

#: A tree over fewer rows has no inner node to measure.
LEAST_ROWS = 3


def dbcv(rows: Floats, labels: NDArray[np.int32]) -> float:
    """The index of Moulavi et al. 2014 in -1..1, of (n, d) rows and their clusters (n,); -1 is noise.

    On squared euclidean distances, as the authors' own program. Noise counts in the whole and for nothing; so do
    clusters of fewer than three rows. nan for fewer than two clusters.
    """
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    kept = [np.flatnonzero(labels == name) for name in names[sizes >= LEAST_ROWS]]
    if len(kept) < 2:
        return float("nan")
    distances = _squared(np.asarray(rows, np.float64))
    core = np.zeros(len(rows))
    for members in kept:
        core[members] = _core(distances[np.ix_(members, members)], rows.shape[1])
    reach = np.maximum(distances, np.maximum(core[:, None], core[None, :]))
    inner, sparse = zip(*(_tree(reach, members) for members in kept), strict=True)
    everyone = np.concatenate(inner)
    owner = np.repeat(np.arange(len(kept)), [len(found) for found in inner])
    total = 0.0
    for number, members in enumerate(kept):
        between = float(reach[np.ix_(inner[number], everyone[owner != number])].min())
        worst = max(between, sparse[number])
        total += len(members) * ((between - sparse[number]) / worst if worst > 0 else 0.0)
    return total / len(rows)


def _squared(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = (rows**2).sum(axis=1)
    found: NDArray[np.float64] = np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0)
    np.fill_diagonal(found, 0.0)
    return found


def _core(distances: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) all-points core distances: (mean of (1 / distance)^width to the others)^(-1 / width), in logarithms."""
    from scipy.special import logsumexp

    logs = -width * np.log(np.maximum(distances, 1e-300))
    np.fill_diagonal(logs, -np.inf)
    mean = logsumexp(logs, axis=1) - np.log(len(distances) - 1)
    return np.asarray(np.exp(-mean / width))


def _tree(reach: NDArray[np.float64], members: Ints) -> tuple[Ints, float]:
    """(inner nodes of the cluster's minimum spanning tree, its longest edge between two of them)."""
    from scipy import sparse
    from scipy.sparse.csgraph import minimum_spanning_tree

    # To scipy a distance of 0 is no edge: copies get a faint one.
    edges = sparse.csr_matrix(np.maximum(reach[np.ix_(members, members)], 1e-12))
    tree: Any = minimum_spanning_tree(edges).tocoo()
    inner = np.bincount(np.concatenate([tree.row, tree.col]), minlength=len(members)) > 1
    between = inner[tree.row] & inner[tree.col]
    return members[inner], float(tree.data[between].max() if between.any() else tree.data.max())
