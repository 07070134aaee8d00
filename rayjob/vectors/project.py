"""Vectors as points on a map of two dimensions, for people to look at. Decides nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, unit
from rayjob.vectors.cluster import reduce_width


def sample_rows(total: int, left_out: Ints, count: int, seed: int = 0) -> Ints:
    """Up to `count` random rows that are none of `left_out`, ascending."""
    others = np.setdiff1d(np.arange(total), left_out)
    drawn = np.random.default_rng([seed, 4]).choice(others, min(count, len(others)), replace=False)
    return np.sort(drawn).astype(np.int64)


def sample_groups(groups: NDArray[np.int32], wanted: Ints, count: int, seed: int = 0) -> Ints:
    """Up to `count` random rows of each wanted group, ascending. `groups` (n,) holds each row's."""
    rows = np.random.default_rng([seed, 5]).permutation(np.flatnonzero(np.isin(groups, wanted)))
    rows = rows[np.argsort(groups[rows], kind="stable")]
    members = np.split(rows, np.flatnonzero(np.diff(groups[rows])) + 1)
    return np.sort(np.concatenate([found[:count] for found in members])).astype(np.int64)


def project(vectors: Floats, seed: int = 0) -> NDArray[np.float32]:
    """(n, 2) in 0..1: t-SNE (van der Maaten 2008) from the principal components; those alone below 30 rows."""
    rows = unit(vectors)
    flat = reduce_width(rows, 30)
    if len(rows) >= 30 and float(np.ptp(flat)) > 1e-6:
        from sklearn.manifold import TSNE

        start = flat[:, :2] / max(float(flat[:, 0].std()), 1e-9) * 1e-4
        perplexity = min(30.0, (len(rows) - 1) / 3)
        points = TSNE(init=start, perplexity=perplexity, random_state=seed, max_iter=500).fit_transform(flat)
    else:
        points = np.pad(flat, ((0, 0), (0, max(0, 2 - flat.shape[1]))))[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    return np.asarray((points - low) / np.maximum(high - low, 1e-9), np.float32)
