"""Fit confidence to accuracy per dimension, and find thresholds whose promise holds. Judges; applies nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement import Floats
from rayjob.labels.agreement_accuracy import effective_rows
from rayjob.labels.calibration import apply_calibration, logit
from rayjob.spec.quality import DimensionCalibration

_FOLDS = 5
_BINS = 10
_STARTS = 4  # of the threshold search; each has a quarter of the allowed error
_FEWEST = 30  # rows below which nothing is fitted
_FEWEST_ISOTONIC = 500  # and below which isotonic regression follows the noise


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One dimension's judged rows, each (rows,): stated confidence, whether the answer was right, and its weight."""

    dimension: str
    confidence: Floats
    right: Floats
    weights: Floats


@dataclass(frozen=True, slots=True)
class Promise:
    """How a threshold is chosen: at or above it `target` of the answers are right, which holds with `certainty`."""

    target: float = 0.95
    certainty: float = 0.95


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of the reliability curve: mean confidence, share right, and share of the weight."""

    confidence: float
    accuracy: float
    share: float


def calibrate_dimension(outcomes: Outcomes, promise: Promise, seed: int = 0) -> DimensionCalibration:
    """Choose a map by cross-validated log loss, and a threshold by a sequence of exact binomial tests.

    Below 30 rows, or where all answers are right or all wrong, confidence stays as stated and nothing is promised.
    """
    stated = outcomes.confidence
    known: dict[str, float | int] = {
        "rows": len(stated),
        "accuracy": _mean(outcomes.right, outcomes.weights),
        "ece_before": calibration_error(stated, outcomes.right, outcomes.weights),
    }
    if len(stated) < _FEWEST or len(set(outcomes.right.tolist())) < 2:
        return DimensionCalibration.model_validate({"method": "none", **known})
    method, after = _choose_method(outcomes, seed)
    fitted = fit_map(method, outcomes)
    raw, above = find_threshold(outcomes, promise)
    threshold = None if raw is None else apply_calibration(raw, fitted)
    return fitted.model_copy(
        update={**known, "ece_after": after, "auroc": auroc(outcomes), "threshold": threshold, "above": above}
    )


def fit_map(method: str, outcomes: Outcomes) -> DimensionCalibration:
    """Fit one map: "none", "isotonic" or "logistic". Maps rise strictly, so that they keep the order of rows."""
    if method == "isotonic":
        return DimensionCalibration(method="isotonic", points=_isotonic_points(outcomes))
    if method == "logistic":
        slope, intercept = _fit_logistic(outcomes)
        return DimensionCalibration(method="logistic", slope=round(slope, 6), intercept=round(intercept, 6))
    return DimensionCalibration(method="none")


def apply_map(fitted: DimensionCalibration, confidence: Floats) -> Floats:
    """(rows,) calibrated."""
    return np.array([apply_calibration(float(value), fitted) for value in confidence], dtype=np.float64)


def _fit_logistic(outcomes: Outcomes, prior: float = 5.0) -> tuple[float, float]:
    """Slope and intercept by Newton's method on the penalised log-likelihood.

    The penalty (a normal prior of variance 1/`prior` on log-odds) pulls towards slope 1, and one right and one wrong
    answer are added at the mean as in Platt (1999): a hundred rows alone can swing a curve by 5 points.
    """
    x = np.array([logit(float(value)) for value in outcomes.confidence])
    centre = float(np.average(x, weights=outcomes.weights))
    design = np.column_stack([x - centre, np.ones(len(x))])
    weights = outcomes.weights * len(x) / outcomes.weights.sum()
    beta, start = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    penalty = np.diag([prior, 1e-3])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weights * (outcomes.right - p)) - penalty @ (beta - start)
        hessian = design.T @ (design * (weights * p * (1 - p))[:, None]) + penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    slope = max(float(beta[0]), 1e-3)  # confidence that foretells errors is only noise to a rising map
    return slope, float(beta[1]) - slope * centre


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


def _choose_method(outcomes: Outcomes, seed: int) -> tuple[str, float]:
    """The method with the lowest cross-validated log loss, and its cross-validated calibration error.

    "none" competes too: where confidence is honest already, a fit only adds noise.
    """
    found = {}
    enough = len(outcomes.right) >= _FEWEST_ISOTONIC
    for method in ("none", "logistic", *(["isotonic"] if enough else [])):
        predicted = _cross_validated(method, outcomes, seed)
        inside = np.clip(predicted, 1e-4, 1 - 1e-4)
        loss = -(outcomes.right * np.log(inside) + (1 - outcomes.right) * np.log(1 - inside))
        found[method] = (_mean(loss, outcomes.weights), predicted)
    best = min(found, key=lambda method: found[method][0])
    return best, calibration_error(found[best][1], outcomes.right, outcomes.weights)


def _cross_validated(method: str, outcomes: Outcomes, seed: int) -> Floats:
    """(rows,): each row's calibrated confidence from a map that was fitted without it."""
    if method == "none":
        return outcomes.confidence
    fold = np.random.default_rng(seed).permutation(len(outcomes.right)) % _FOLDS
    predicted = np.empty(len(fold))
    for held_out in range(_FOLDS):
        there = fold == held_out
        predicted[there] = apply_map(fit_map(method, _part(outcomes, ~there)), outcomes.confidence[there])
    return predicted


def _part(outcomes: Outcomes, rows: NDArray[np.bool_]) -> Outcomes:
    return Outcomes(outcomes.dimension, outcomes.confidence[rows], outcomes.right[rows], outcomes.weights[rows])


def find_threshold(outcomes: Outcomes, promise: Promise) -> tuple[float | None, float]:
    """(the lowest stated confidence whose promise holds, the share of rows at or above it); (None, 0) where none does.

    Fixed-sequence testing (Angelopoulos et al. 2021, Learn then Test): from a start that looks at confidences only,
    thresholds are lowered while the exact one-sided binomial test rejects "fewer than `target` are right"; the search
    ends at the first that does not. Four starts share the allowed error, so the promise covers the whole search.
    Unequal weights enter as Kish's effective number of rows, which is approximate.
    """
    from scipy.stats import beta

    order = np.argsort(-outcomes.confidence, kind="stable")
    confidence, right, weights = outcomes.confidence[order], outcomes.right[order], outcomes.weights[order]
    alpha = (1 - promise.certainty) / _STARTS
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    fewest = np.log(alpha) / np.log(promise.target) if promise.target < 1 else np.inf
    best = None
    for start in range(_STARTS):
        first = max(fewest, len(confidence) * start / _STARTS)
        for end in ends[ends + 1 >= first]:
            part = slice(0, end + 1)
            rows = effective_rows(weights[part])
            hits = _mean(right[part], weights[part]) * rows
            if beta.ppf(alpha, hits, rows - hits + 1) < promise.target:
                break
            best = end if best is None else max(best, end)
    if best is None:
        return None, 0.0
    return float(confidence[best]), float(weights[: best + 1].sum() / weights.sum())


def reliability(confidence: Floats, right: Floats, weights: Floats, bins: int = _BINS) -> list[Bin]:
    """The reliability curve in bins of equal weight; rows of one confidence stay together."""
    if not len(confidence):
        return []
    order = np.argsort(confidence, kind="stable")
    x, y, w = confidence[order], right[order], weights[order]
    position = (np.cumsum(w) - w / 2) / w.sum()
    first = np.searchsorted(x, x, side="left")
    last = np.searchsorted(x, x, side="right") - 1
    number = np.minimum(((position[first] + position[last]) / 2 * bins).astype(int), bins - 1)
    return [
        Bin(_mean(x[there], w[there]), _mean(y[there], w[there]), float(w[there].sum() / w.sum()))
        for there in (number == one for one in np.unique(number))
    ]


def calibration_error(confidence: Floats, right: Floats, weights: Floats, bins: int = _BINS) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal weight: Σ share · |accuracy - confidence|."""
    curve = reliability(confidence, right, weights, bins)
    return float(sum(one.share * abs(one.accuracy - one.confidence) for one in curve))


def auroc(outcomes: Outcomes) -> float:
    """The probability that a right answer has a higher confidence than a wrong one, ties counting half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(outcomes.right, outcomes.confidence, sample_weight=outcomes.weights))


def _mean(values: Floats, weights: Floats) -> float:
    return float(np.average(values, weights=weights))
