"""Vectors as points on a map of two dimensions, for people to look at. Decides nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, unit
from rayjob.vectors.cluster import reduce_width


def sample_rows(total: int, always: Ints, limit: int, seed: int = 0) -> Ints:
    """At most `limit` rows, ascending: those of `always` first (representatives), the others at random."""
    kept = np.unique(always)
    rng = np.random.default_rng([seed, 4])
    if len(kept) >= limit:
        return np.sort(rng.choice(kept, limit, replace=False)).astype(np.int64)
    others = np.setdiff1d(np.arange(total), kept)
    drawn = rng.choice(others, min(limit - len(kept), len(others)), replace=False)
    return np.sort(np.concatenate([kept, drawn])).astype(np.int64)


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
