"""A linear probe: logistic regression on the vectors; for a dimension that takes several tags, one a tag."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, unit
from rayjob.vectors.targets import Targets


@dataclass(frozen=True, slots=True)
class Probe:
    """Weights (d, tags) and offsets (tags,)."""

    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    multi: bool

    def scores(self, block: Floats) -> NDArray[np.float32]:
        """(n, tags) in 0..1; rows of a single-select dimension sum to one."""
        logits = unit(block) @ self.weights + self.offsets
        if self.multi:
            chances: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
            return chances
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = odds / odds.sum(axis=1, keepdims=True)
        return shares


_CERTAIN = 20.0


def fit_probe(labelled: Floats, targets: Targets, strength: float = 30.0) -> Probe:
    """`strength` is scikit-learn's C; 30 suits vectors of length one. Tags all or no rows bear need no regression."""
    rows = unit(labelled)
    if targets.multi:
        parts = [_fit_column(rows, column, strength) for column in targets.values.T]
    else:
        return _fit_classes(rows, targets, strength)
    weights = np.stack([part[0] for part in parts], axis=1) if parts else np.zeros((rows.shape[1], 0), np.float32)
    return Probe(weights, np.array([part[1] for part in parts], np.float32), multi=True)


def _fit_classes(rows: NDArray[np.float32], targets: Targets, strength: float) -> Probe:
    weights = np.zeros((rows.shape[1], len(targets.tags)), np.float32)
    offsets = np.full(len(targets.tags), -_CERTAIN, np.float32)
    classes = targets.values.argmax(axis=1)
    present = np.unique(classes)
    if len(present) == 1:
        offsets[present] = _CERTAIN
        return Probe(weights, offsets, multi=False)
    slopes, intercepts = _regress(rows, classes, strength)
    if len(present) == 2:  # scikit-learn gives one row of coefficients, for the second class
        half = np.array([-0.5, 0.5], np.float32)
        slopes, intercepts = half[:, None] * slopes, half * intercepts
    weights[:, present], offsets[present] = slopes.T, intercepts
    return Probe(weights, offsets, multi=False)


def _fit_column(
    rows: NDArray[np.float32], column: NDArray[np.float32], strength: float
) -> tuple[NDArray[np.float32], float]:
    if column.min() == column.max():
        return np.zeros(rows.shape[1], np.float32), _CERTAIN if column[0] else -_CERTAIN
    slopes, intercepts = _regress(rows, column > 0, strength)
    return slopes[0], float(intercepts[0])


def _regress(
    rows: NDArray[np.float32], classes: NDArray[np.generic], strength: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # 200 iterations short of convergence still rank; the audit judges the result, not the optimiser.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes")  # many tags and few labels are usual here
        fitted = LogisticRegression(C=strength, max_iter=200).fit(rows, classes)
    return fitted.coef_.astype(np.float32), fitted.intercept_.astype(np.float32)
