"""Turn a stated confidence into one that means something, by a map that was fitted before. Fits nothing."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

#: Confidence is taken this far into 0..1 before its logit: a model that states 1.0 does not mean infinity.
_EDGE = 0.01


class CalibrationMap(Protocol):
    """What a map needs: `points` (x rising, y rising) for isotonic, else slope and intercept on the logit scale."""

    @property
    def method(self) -> str: ...
    @property
    def points(self) -> Sequence[tuple[float, float]]: ...
    @property
    def slope(self) -> float: ...
    @property
    def intercept(self) -> float: ...


def apply_calibration(confidence: float | None, calibration: CalibrationMap | None) -> float | None:
    """The calibrated confidence in 0..1; what has no confidence or no calibration stays as it is.

    isotonic: linear between the points, flat outside them; logistic: 1 / (1 + exp(-(slope · logit(c) + intercept)))
    (Platt 1999; with intercept 0 it is temperature scaling by 1/slope); none: as stated.
    """
    if confidence is None or calibration is None or calibration.method == "none":
        return confidence
    if calibration.method == "isotonic":
        return interpolate(confidence, calibration.points)
    return logistic(calibration.slope * logit(confidence) + calibration.intercept)


def interpolate(x: float, points: Sequence[tuple[float, float]]) -> float:
    """Linear between the points, flat outside them."""
    after = bisect_right(points, x, key=lambda point: point[0])
    if after == 0:
        return points[0][1]
    if after == len(points):
        return points[-1][1]
    (x0, y0), (x1, y1) = points[after - 1], points[after]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def logit(share: float) -> float:
    """log(p / (1 - p)) of the share drawn in by _EDGE at both ends."""
    inside = _EDGE + (1 - 2 * _EDGE) * share
    return math.log(inside / (1 - inside))


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), for any x."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
