"""Applying a calibration: pure, in range, rising."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.calibration import apply_calibration
from rayjob.spec.quality import DimensionCalibration

shares = st.floats(0, 1)


@pytest.mark.parametrize(
    ("calibration", "stated", "calibrated"),
    [
        (None, 0.7, 0.7),
        (DimensionCalibration(method="none"), 0.7, 0.7),
        (DimensionCalibration(method="logistic", slope=1.0), 0.7, 0.696),
        (DimensionCalibration(method="logistic", slope=1.0), 1.0, 0.99),
        (DimensionCalibration(method="logistic", slope=2.0, intercept=-1.0), 0.5, 0.26894142),
        (DimensionCalibration(method="isotonic", points=((0.5, 0.2), (0.9, 0.8))), 0.7, 0.5),
        (DimensionCalibration(method="isotonic", points=((0.5, 0.2), (0.9, 0.8))), 0.1, 0.2),
        (DimensionCalibration(method="isotonic", points=((0.5, 0.2), (0.9, 0.8))), 1.0, 0.8),
        (DimensionCalibration(method="isotonic", points=((0.5, 0.2),)), 0.9, 0.2),
    ],
)
def test_known_maps(calibration, stated, calibrated):
    assert apply_calibration(stated, calibration) == pytest.approx(calibrated)
    assert apply_calibration(None, calibration) is None


@given(shares, shares, st.floats(0.01, 10), st.floats(-5, 5))
def test_a_logistic_map_rises_and_stays_in_range(a, b, slope, intercept):
    fitted = DimensionCalibration(method="logistic", slope=slope, intercept=intercept)
    low, high = (apply_calibration(value, fitted) for value in sorted((a, b)))
    assert 0 <= low <= high <= 1
