"""The part that transfers: a strongly regularised linear Bradley-Terry score over features in their natural units.

Features are shares, flags and logarithms, so one unit means about as much for each of them; dividing a feature that is
rare in training by its tiny deviation would make it loud elsewhere. How strong the penalty is, the training domain
alone says, by the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984): the strongest penalty whose
cross-validated loss is within one standard error of the least.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rayjob.choice.data import Pairs
from rayjob.choice.scores import fit_temperature

Array = npt.NDArray[np.float64]
#: Half decades of the penalty on squared coefficients, beside the mean loss of a pair.
PENALTIES = tuple(float(10 ** (power / 4)) for power in range(-8, 5))
#: Where there are too few folds to choose by.
DEFAULT_PENALTY = 0.3


def fit_linear(differences: Array, weights: Array, penalty: float, rounds: int = 25) -> Array:
    """Coefficients [f] that make the winners of `differences` [n, f] (winner minus loser) likeliest under the penalty;
    Newton's method."""
    found, mass = np.zeros(differences.shape[1]), weights.sum()
    for _ in range(rounds):
        wrong = 1 / (1 + np.exp(np.clip(differences @ found, -30, 30)))
        curve = (differences * (weights * wrong * (1 - wrong))[:, None]).T @ differences / mass
        pull = differences.T @ (weights * wrong) / mass - penalty * found
        step = np.linalg.solve(curve + penalty * np.eye(len(found)), pull)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(found, dtype=np.float64)


def choose_penalty(values: Array, train: tuple[Pairs, Array], scored: Pairs, folds: npt.NDArray[np.int64]) -> float:
    """The strongest penalty within one standard error of the best, over the `folds` (of rows [n]; below 0: left out).

    `train` are pairs with their weights. Losses are after a temperature: that shrinking makes scores small is no loss.
    """
    losses = [_losses(values, train, scored, (folds, fold)) for fold in sorted(set(folds.tolist()) - {-1})]
    kept = np.asarray([row for row in losses if row is not None])
    if len(kept) < 2:
        return DEFAULT_PENALTY
    mean, error = kept.mean(axis=0), kept.std(axis=0, ddof=1) / np.sqrt(len(kept))
    best = int(mean.argmin())
    return PENALTIES[int(np.flatnonzero(mean <= mean[best] + error[best])[-1])]


def _losses(
    values: Array, train: tuple[Pairs, Array], scored: Pairs, place: tuple[npt.NDArray[np.int64], int]
) -> list[float] | None:
    """The loss on one fold of every penalty fitted on the others; None where either side has no pair."""
    folds, fold = place
    pairs, weights = train
    taken = (folds[pairs[:, 0]] != fold) & (folds[pairs[:, 0]] >= 0)
    tested = scored[folds[scored[:, 0]] == fold]
    if not taken.any() or not len(tested):
        return None
    differences = values[pairs[taken, 0]] - values[pairs[taken, 1]]
    ends = values[tested[:, 0]] - values[tested[:, 1]]
    logits = [ends @ fit_linear(differences, weights[taken], penalty) for penalty in PENALTIES]
    return [float(np.logaddexp(0, -found / fit_temperature(found)).mean()) for found in logits]
