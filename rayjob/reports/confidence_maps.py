"""Maps from stated to calibrated confidence: fitted to judged rows, and applied. Chooses none, promises nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement import Floats
from rayjob.labels.agreement_accuracy import effective_rows
from rayjob.labels.calibration import apply_calibration, logit
from rayjob.spec.quality import DimensionCalibration


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One dimension's judged rows, each (rows,): stated confidence, whether the answer was right, its weight, and
    which of the judged rows it is (a row is held out in all dimensions at once)."""

    dimension: str
    confidence: Floats
    right: Floats
    weights: Floats
    rows: NDArray[np.int64]

    def part(self, there: NDArray[np.bool_]) -> Outcomes:
        """The rows of a mask (rows,)."""
        confidence, right, weights = self.confidence[there], self.right[there], self.weights[there]
        return Outcomes(self.dimension, confidence, right, weights, self.rows[there])


@dataclass(frozen=True, slots=True)
class Lean:
    """What a logistic map is pulled towards: a normal prior on the slope and on the log-odds of being right at the
    stated logit `centre`; None puts the centre at the mean of the dimension's own rows."""

    centre: float | None
    mean: tuple[float, float]
    variance: tuple[float, float]


#: A dimension alone: slope 1 (as stated), and next to nothing about its level.
ALONE = Lean(None, (1.0, 0.0), (0.2, 1000.0))


def fit_map(method: str, outcomes: Outcomes, lean: Lean = ALONE) -> DimensionCalibration:
    """Fit one map: "none", "isotonic" or "logistic". Maps rise strictly, so that they keep the order of rows."""
    if method == "isotonic":
        return DimensionCalibration(method="isotonic", points=_isotonic_points(outcomes))
    if method == "logistic":
        slope, intercept = _fit_logistic(outcomes, lean)
        return DimensionCalibration(method="logistic", slope=round(slope, 6), intercept=round(intercept, 6))
    return DimensionCalibration(method="none")


def apply_map(fitted: DimensionCalibration, confidence: Floats) -> Floats:
    """(rows,) calibrated."""
    stated, at = np.unique(confidence, return_inverse=True)
    return np.array([apply_calibration(float(value), fitted) for value in stated], dtype=np.float64)[at]


def stated_logits(confidence: Floats) -> Floats:
    """(rows,) log-odds of what was stated."""
    stated, at = np.unique(confidence, return_inverse=True)
    return np.array([logit(float(value)) for value in stated], dtype=np.float64)[at]


def _fit_logistic(outcomes: Outcomes, lean: Lean) -> tuple[float, float]:
    x = stated_logits(outcomes.confidence)
    centre = float(np.average(x, weights=outcomes.weights)) if lean.centre is None else lean.centre
    (slope, level), _ = most_likely(x - centre, outcomes, lean)
    slope = max(float(slope), 1e-3)  # confidence that foretells errors is only noise to a rising map
    return slope, float(level) - slope * centre


def most_likely(x: Floats, outcomes: Outcomes, lean: Lean) -> tuple[Floats, Floats]:
    """((slope, level) of the greatest posterior density, their variances), by Newton's method on the log-likelihood of
    logit(right) = slope · x + level under the lean's prior (Laplace's approximation)."""
    design = np.column_stack([x, np.ones(len(x))])
    weights = outcomes.weights * effective_rows(outcomes.weights) / outcomes.weights.sum()
    beta, start = np.array(lean.mean), np.array(lean.mean)
    penalty = np.diag(1 / np.array(lean.variance))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weights * (outcomes.right - p)) - penalty @ (beta - start)
        curvature = design.T @ (design * (weights * p * (1 - p))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-7:
            break
    return beta, np.diag(np.linalg.inv(curvature)).copy()


def _isotonic_points(outcomes: Outcomes) -> tuple[tuple[float, float], ...]:
    """Centred isotonic regression (Oron & Flournoy 2017): a point at each block's middle, linear between.

    The points rise strictly and reach from 0 to 1, so that no two confidences become one.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(outcomes.confidence, kind="stable")
    x, right, weights = outcomes.confidence[order], outcomes.right[order], outcomes.weights[order]
    fitted = IsotonicRegression(increasing=True).fit_transform(x, right, sample_weight=weights)
    levels, block = np.unique(fitted, return_inverse=True)
    middles = [float(np.average(x[block == i], weights=weights[block == i])) for i in range(len(levels))]
    # Half a row of doubt at both ends: a block of rows that are all right is not certainty.
    sizes = [float((block == i).sum()) for i in range(len(levels))]
    inside = [(n * float(y) + 0.5) / (n + 1) for n, y in zip(sizes, levels, strict=True)]
    rising = np.maximum.accumulate(inside) * (1 - 2e-4) + 1e-4
    points = [(0.0, max(0.0, float(rising[0]) - 5e-5)), *zip(middles, rising.tolist(), strict=True)]
    points = [*points, (1.0, min(1.0, float(rising[-1]) + 5e-5))]
    return _strictly(points)


def _strictly(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Points rounded to nine digits, without those whose x does not rise; y rises by 1e-9 at least."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if kept and round(x, 9) <= kept[-1][0]:
            continue
        floor = kept[-1][1] + 1e-9 if kept else 0.0
        kept.append((round(x, 9), round(max(y, floor), 9)))
    return tuple(kept)
