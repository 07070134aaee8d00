"""calibration.yaml: written, read back, refused with what is wrong."""

from __future__ import annotations

import pytest

from rayjob.spec.base import SpecError
from rayjob.spec.quality import CalibrationFile, DimensionCalibration, dump_calibration, parse_calibration

MADE = CalibrationFile(
    created="2026-01-01", run="r", judged_by="g", target_accuracy=0.9,
    dimensions={
        "intent": DimensionCalibration(method="isotonic", points=((0.1, 0.2), (0.7, 0.55)), threshold=0.5, rows=108),
        "task": DimensionCalibration(method="logistic", slope=0.4, intercept=-1.25),
    },
)  # fmt: skip


def test_it_reads_back_as_it_was_written():
    assert parse_calibration(dump_calibration(MADE)) == MADE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dimensions: {intent: {method: magic}}", r"dimensions\.intent\.method"),
        ("dimensions: {intent: {method: isotonic}}", "isotonic needs points"),
        ("dimensions: {intent: {method: isotonic, points: [[0.5, 0.5], [0.4, 0.6]]}}", "points must rise"),
        ("dimensions: {intent: {method: logistic, slope: -1}}", r"dimensions\.intent\.slope"),
        ("dimensions: {intent: {method: none, treshold: 0.5}}", r"dimensions\.intent\.treshold"),
        ("dimensions: {intent: {method: none, threshold: 1.5}}", r"dimensions\.intent\.threshold"),
        ("calibration: 2\ndimensions: {}", "calibration"),
        ("a: [", "not YAML"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(SpecError, match=message):
        parse_calibration(text)
