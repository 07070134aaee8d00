"""Groups of similar rows: HDBSCAN, k-means or mini-batch k-means, seeded, outliers kept and counted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, SpreadError, blocks, check_vectors, unit
from rayjob.vectors.neighbours import Neighbours

Algorithm = Literal["auto", "kmeans", "minibatch", "hdbscan"]
OUTLIER = -1
#: Beyond this many rows k-means learns its centres from mini-batches, and `auto` says mini-batch.
FULL_ROWS = 100_000
#: HDBSCAN compares all pairs; a larger table is clustered through a sample of this many rows.
HDBSCAN_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """`count` None: about sqrt(rows / 2) (k-means only). HDBSCAN runs on `components` principal components."""

    algorithm: Algorithm = "auto"
    count: int | None = None
    min_size: int = 10
    components: int = 20
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Clustering:
    """A cluster for each row, -1 for outliers, numbered from 0 by falling size; the silhouette is of a sample.

    `silhouette` (Rousseeuw 1987, -1..1, on `silhouette_rows` rows that are no outliers) and `dbcv` (Moulavi et al.
    2014, -1..1, on up to as many rows, outliers among them) are of random rows, and nan for fewer than two clusters.
    """

    labels: NDArray[np.int32]
    algorithm: str
    sizes: tuple[int, ...]
    outliers: int
    silhouette: float
    silhouette_rows: int
    dbcv: float


def cluster(vectors: Floats, settings: ClusterSettings) -> Clustering:
    """Cluster n rows. Raises SpreadError for broken vectors or more clusters than rows."""
    check_vectors(vectors)
    algorithm = _settle(settings, len(vectors))
    raw = _hdbscan(vectors, settings) if algorithm == "hdbscan" else _kmeans(vectors, settings, algorithm)
    labels = _by_size(raw)
    sizes = tuple(int(size) for size in np.bincount(labels[labels >= 0]))
    score, rows = _silhouette(vectors, labels, settings.seed)
    density = _density(vectors, labels, settings.seed)
    return Clustering(labels, algorithm, sizes, int((labels == OUTLIER).sum()), score, rows, density)


def _settle(settings: ClusterSettings, rows: int) -> str:
    if settings.count is not None and settings.count > rows:
        raise SpreadError(f"{settings.count} clusters were asked of {rows} rows; ask for at most {rows}")
    if settings.algorithm == "auto":
        return "kmeans" if rows <= FULL_ROWS else "minibatch"
    return settings.algorithm


def _kmeans(vectors: Floats, settings: ClusterSettings, algorithm: str) -> Ints:
    count = settings.count or max(1, round(np.sqrt(len(vectors) / 2)))
    centres = _centres(vectors, count, settings.seed, algorithm)
    index = Neighbours(centres)
    nearest = [index.search(np.asarray(vectors[part]), 1).rows[:, 0] for part in blocks(len(vectors))]
    return np.concatenate(nearest)


def _centres(vectors: Floats, count: int, seed: int, algorithm: str) -> NDArray[np.float32]:
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    state = seed % 2**32  # scikit-learn takes no larger one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: some stay empty
        if algorithm == "kmeans":
            fitted: Any = KMeans(count, n_init=1, max_iter=50, random_state=state).fit(unit(vectors))
            return np.asarray(fitted.cluster_centers_, np.float32)
        # Batches in a seeded order over the whole table; the first is large enough to place every centre.
        rng = np.random.default_rng(seed)
        size = max(8192, 2 * count)
        fitted = MiniBatchKMeans(count, batch_size=size, n_init=1, random_state=state, reassignment_ratio=0.0)
        for rows in np.array_split(rng.permutation(len(vectors)), max(1, len(vectors) // size)):
            fitted.partial_fit(unit(vectors[np.sort(rows)]))
    return np.asarray(fitted.cluster_centers_, np.float32)


def _hdbscan(vectors: Floats, settings: ClusterSettings) -> Ints:
    """Cluster a sample; each other row joins its nearest sampled row's cluster, if no farther than those lie apart."""
    from sklearn.cluster import HDBSCAN

    rng = np.random.default_rng(settings.seed)
    total = len(vectors)
    sample = np.sort(rng.choice(total, min(total, HDBSCAN_ROWS), replace=False))
    if len(sample) < max(2, settings.min_size):
        return np.full(total, OUTLIER, np.int64)
    flat = reduce_width(unit(vectors[sample]), settings.components)
    found = HDBSCAN(min_cluster_size=max(2, settings.min_size), copy=True).fit(flat).labels_.astype(np.int64)
    if len(sample) == total:
        return np.asarray(found, np.int64)
    index = Neighbours(vectors[sample])
    usual = np.quantile(index.search(vectors[sample], 2).distances[:, -1], 0.9)
    labels = np.empty(total, np.int64)
    for part in blocks(total):
        near = index.search(np.asarray(vectors[part]), 1)
        labels[part] = np.where(near.distances[:, 0] <= usual, found[near.rows[:, 0]], OUTLIER)
    labels[sample] = found
    return labels


def reduce_width(rows: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """The first principal components of (n, d) rows, each with its sign fixed: (n, at most `components`)."""
    centred = rows - rows.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred / len(rows))
    top = directions[:, ::-1][:, :components]
    top = top * np.where(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])] < 0, -1, 1)
    return np.asarray(centred @ top, np.float32)


def _by_size(raw: Ints) -> NDArray[np.int32]:
    """Renumber 0, 1, … from the largest cluster down, equals in the order of their first row; outliers stay -1."""
    names, first, sizes = np.unique(raw[raw != OUTLIER], return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    labels = np.full(len(raw), OUTLIER, np.int32)
    number = {int(names[place]): rank for rank, place in enumerate(order)}
    kept = raw != OUTLIER
    labels[kept] = [number[int(name)] for name in raw[kept]]
    return labels


#: Rows that the two indexes are computed of: both compare all pairs.
SCORED_ROWS = 2_000


def _density(vectors: Floats, labels: NDArray[np.int32], seed: int) -> float:
    from rayjob.vectors.density import dbcv

    rng = np.random.default_rng([seed, 6])
    sample = np.sort(rng.choice(len(labels), min(SCORED_ROWS, len(labels)), replace=False))
    return dbcv(unit(vectors[sample]), labels[sample])


def _silhouette(vectors: Floats, labels: NDArray[np.int32], seed: int, limit: int = SCORED_ROWS) -> tuple[float, int]:
    from sklearn.metrics import silhouette_score

    kept = np.flatnonzero(labels != OUTLIER)
    rng = np.random.default_rng([seed, 3])
    sample = np.sort(rng.choice(kept, min(limit, len(kept)), replace=False)) if len(kept) else kept
    groups = len(np.unique(labels[sample]))
    if not 2 <= groups < len(sample):
        return float("nan"), len(sample)
    return float(silhouette_score(unit(vectors[sample]), labels[sample])), len(sample)
