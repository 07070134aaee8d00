"""Choose a map from confidence to accuracy per dimension, and thresholds whose promise holds. Applies nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rayjob.labels.agreement import Floats
from rayjob.labels.calibration import apply_calibration
from rayjob.reports.confidence_maps import Outcomes, apply_map, fit_map
from rayjob.reports.confidence_pool import pool_dimensions
from rayjob.spec.quality import DimensionCalibration

_FOLDS = 5
_BINS = 10
_STARTS = 4  # of the threshold search; each has a quarter of the allowed error
_FEWEST = 30  # rows below which nothing is fitted
_FEWEST_ISOTONIC = 500  # and below which isotonic regression follows the noise


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


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A run's calibration per dimension, and the calibration error of all dimensions' answers together: as stated,
    and cross-validated after the maps."""

    dimensions: Mapping[str, DimensionCalibration]
    ece_before: float
    ece_after: float


def calibrate_run(outcomes: Sequence[Outcomes], promise: Promise, seed: int = 0) -> Calibrated:
    """Per dimension the map with the lowest cross-validated log loss, and a threshold by exact binomial tests.

    Below 30 rows a dimension stays as stated and nothing is promised; so does the map of a lone dimension whose answers
    are all right or all wrong. Maps lean on what the dimensions have in common (`pool_dimensions`); a threshold rests
    on the counts of its own dimension alone, so no pooling can break its promise.
    """
    known = [one for one in outcomes if len(one.right) >= _FEWEST]
    if len(known) < 2:
        known = [one for one in known if len(set(one.right.tolist())) > 1]
    chosen = _choose_methods(known, seed)
    lean = pool_dimensions(known)
    made, after = {}, []
    for one in outcomes:
        method, held_out = chosen.get(one.dimension, ("none", one.confidence))
        after.append(held_out)
        fitted = fit_map(method, one, lean)
        made[one.dimension] = _describe(one, fitted, promise, held_out if one.dimension in chosen else None)
    right, weights, stated = (
        np.concatenate([getattr(one, name) for one in outcomes]) for name in ("right", "weights", "confidence")
    )
    return Calibrated(
        made, calibration_error(stated, right, weights), calibration_error(np.concatenate(after), right, weights)
    )


def _describe(
    outcomes: Outcomes, fitted: DimensionCalibration, promise: Promise, held_out: Floats | None
) -> DimensionCalibration:
    """The map with what is known about it; `held_out` (rows,) is None where nothing was fitted."""
    right, weights = outcomes.right, outcomes.weights
    raw, above = find_threshold(outcomes, promise) if len(right) >= _FEWEST else (None, 0.0)
    return fitted.model_copy(
        update={
            "rows": len(right),
            "accuracy": _mean(right, weights),
            "ece_before": calibration_error(outcomes.confidence, right, weights),
            "ece_after": None if held_out is None else calibration_error(held_out, right, weights),
            "auroc": auroc(outcomes),
            "threshold": apply_calibration(raw, fitted),
            "above": above,
        }
    )


def _choose_methods(outcomes: Sequence[Outcomes], seed: int) -> dict[str, tuple[str, Floats]]:
    """Per dimension the method with the lowest cross-validated log loss, and its held-out confidence (rows,).

    "none" competes too: where confidence is honest already, a fit only adds noise.
    """
    predicted = _cross_validate(outcomes, seed)
    chosen = {}
    for one in outcomes:
        tried = predicted[one.dimension]
        best = min(tried, key=lambda method: _log_loss(one, tried[method]))
        chosen[one.dimension] = (best, tried[best])
    return chosen


def _log_loss(outcomes: Outcomes, predicted: Floats) -> float:
    inside = np.clip(predicted, 1e-4, 1 - 1e-4)
    loss = -(outcomes.right * np.log(inside) + (1 - outcomes.right) * np.log(1 - inside))
    return _mean(loss, outcomes.weights)


def _cross_validate(outcomes: Sequence[Outcomes], seed: int) -> dict[str, dict[str, Floats]]:
    """{dimension: {method: (rows,) confidence from maps that were fitted without the row}}.

    A row of the run is held out in all dimensions at once: a hard row is wrong in several of them.
    """
    found = {one.dimension: {method: one.confidence.copy() for method in _methods(one)} for one in outcomes}
    folds = _fold(outcomes, seed)
    for number in range(_FOLDS):
        parts = [one.part(fold != number) for one, fold in zip(outcomes, folds, strict=True)]
        lean = pool_dimensions(parts)
        for one, part, fold in zip(outcomes, parts, folds, strict=True):
            for method, predicted in found[one.dimension].items():
                predicted[fold == number] = apply_map(fit_map(method, part, lean), one.confidence[fold == number])
    return found


def _methods(outcomes: Outcomes) -> tuple[str, ...]:
    return ("none", "logistic", "isotonic") if len(outcomes.right) >= _FEWEST_ISOTONIC else ("none", "logistic")


def _fold(outcomes: Sequence[Outcomes], seed: int) -> list[np.ndarray]:
    """Per dimension (rows,): the fold of each row, the same in every dimension."""
    every = np.unique(np.concatenate([one.rows for one in outcomes])) if outcomes else np.array([], dtype=np.int64)
    fold = np.random.default_rng(seed).permutation(len(every)) % _FOLDS
    return [fold[np.searchsorted(every, one.rows)] for one in outcomes]


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
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    above = np.cumsum(weights)[ends]
    rows = above**2 / np.cumsum(weights**2)[ends]
    hits = np.cumsum(weights * right)[ends] / above * rows
    alpha = (1 - promise.certainty) / _STARTS
    # The bound is nan where not one answer is right: that keeps no promise either.
    held = beta.ppf(alpha, hits, rows - hits + 1) >= promise.target
    fewest = np.log(alpha) / np.log(promise.target)
    best = -1
    for start in range(_STARTS):
        first = int(np.searchsorted(ends + 1, max(fewest, len(confidence) * start / _STARTS)))
        broken = np.flatnonzero(~held[first:])
        last = first + int(broken[0]) if len(broken) else len(ends)
        best = max(best, last - 1) if last > first else best
    if best < 0:
        return None, 0.0
    return float(confidence[ends[best]]), float(above[best] / above[-1])


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


def auroc(outcomes: Outcomes) -> float | None:
    """The probability that a right answer has a higher confidence than a wrong one, ties counting half; None where all
    are right or all are wrong."""
    from sklearn.metrics import roc_auc_score

    if len(set(outcomes.right.tolist())) < 2:
        return None
    return float(roc_auc_score(outcomes.right, outcomes.confidence, sample_weight=outcomes.weights))


def _mean(values: Floats, weights: Floats) -> float:
    return float(np.average(values, weights=weights))
