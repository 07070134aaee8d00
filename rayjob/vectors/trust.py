"""The trust formula: a row's labels are its labelled neighbours', weighed down exponentially with distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats
from rayjob.vectors.neighbours import Near, Neighbours
from rayjob.vectors.targets import Targets

#: Candidates for the decay. With 1 on unit vectors near and far weigh almost alike.
DECAYS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0)


@dataclass(frozen=True, slots=True)
class Trust:
    """t_j = (1/Z) sum_i exp(-decay * d_ij) t_i over the k nearest labelled rows i."""

    index: Neighbours
    targets: Targets
    k: int
    decay: float

    def scores(self, block: Floats) -> NDArray[np.float32]:
        """(n, tags) in 0..1."""
        return self.weigh(self.index.search(block, self.k))

    def weigh(self, near: Near) -> NDArray[np.float32]:
        """The same, where the neighbours are known already."""
        return _average(near, self.targets, self.decay)


def fit_trust(labelled: Floats, targets: Targets, k: int = 20, decay: float | None = None) -> Trust:
    """`decay` None: the one under which each labelled row is best foretold by the others (leave-one-out likelihood)."""
    index = Neighbours(labelled)
    chosen = decay if decay is not None else _fit_decay(index, labelled, targets, k)
    return Trust(index, targets, k, chosen)


def _fit_decay(index: Neighbours, labelled: Floats, targets: Targets, k: int) -> float:
    if len(targets) < 3:
        return DECAYS[len(DECAYS) // 2]
    others = _without_self(index.search(labelled, k + 1))
    losses = [_loss(_average(others, targets, decay), targets) for decay in DECAYS]
    return DECAYS[int(np.argmin(losses))]


def _without_self(near: Near) -> Near:
    """Drop each row from its own neighbours; where equal rows crowd it out, drop the farthest instead."""
    rows, width = near.rows.shape
    is_self = near.rows == np.arange(rows)[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    keep = ~is_self
    return Near(near.rows[keep].reshape(rows, width - 1), near.distances[keep].reshape(rows, width - 1))


def _average(near: Near, targets: Targets, decay: float) -> NDArray[np.float32]:
    if near.rows.shape[1] == 0:
        return np.zeros((len(near.rows), len(targets.tags)), np.float32)
    # From the nearest, so that the largest weight is 1 and Z never underflows; the factor cancels.
    weights = np.exp(-decay * (near.distances - near.distances[:, :1]))
    weights /= weights.sum(axis=1, keepdims=True)
    scores = np.zeros((len(weights), len(targets.tags)), np.float32)
    for place in range(weights.shape[1]):
        scores += weights[:, place, None] * targets.values[near.rows[:, place]]
    return scores


def _loss(scores: NDArray[np.float32], targets: Targets) -> float:
    """Mean negative log-likelihood; 1 % of doubt everywhere, so that one odd row does not decide."""
    doubt = np.clip(scores, 0.01, 0.99)
    truth = targets.values > 0
    likely = np.log(np.where(truth, doubt, 1 - doubt)) if targets.multi else np.log(doubt) * truth
    return float(-likely.sum() / len(scores))
