"""A calibration file in a run: confidences are mapped before anything decides by them; its thresholds."""

from __future__ import annotations

import math

from rayjob.labels.prompt import Template
from rayjob.spec.label import ArbitrateStep, LabelStep
from rayjob.spec.quality import parse_calibration
from rayjob.steps.arbitrate import Arbitrate
from rayjob.steps.build import with_thresholds
from rayjob.steps.label import Label
from tests.labels.small import CHARACTER, SMALL
from tests.steps.asking import Script, answering
from tests.steps.test_label import go

TEXT = """
calibration: 1
dimensions:
  intent: {method: isotonic, points: [[0.0, 0.1], [1.0, 0.5]], threshold: 0.6}
  language: {method: none, threshold: null}
"""
CALIBRATION = parse_calibration(TEXT)
ANSWER = answering(intent="learn", language=["python"], domain=[], confidence={"intent": 0.9, "language": 0.9})


class _Resolved:
    calibration = CALIBRATION


def label() -> Label:
    spec = LabelStep(dimensions=CHARACTER, model="worker", prompt="p.j2")
    return Label("character", spec, SMALL, Template("{{ transcript }}", "p.j2"), CALIBRATION.dimensions)


def test_stated_confidence_is_mapped_and_what_has_no_map_stays() -> None:
    row = go([label()], Script([ANSWER]))
    assert row["confidence"]["intent"] == 0.1 + 0.9 * 0.4
    assert row["confidence"]["language"] == 0.9


def test_agreement_is_mapped_after_the_answers_are_counted() -> None:
    spec = LabelStep(dimensions=CHARACTER, model="worker", prompt="p.j2", also_ask=("second",), confidence="models")
    step = Label("character", spec, SMALL, Template("{{ transcript }}", "p.j2"), CALIBRATION.dimensions)
    other = answering(intent="debug", language=["python"], domain=[])
    row = go([step], Script([ANSWER, other]))
    assert row["confidence"]["intent"] == 0.1 + 0.5 * 0.4
    assert row["confidence"]["language"] == 1.0


def test_calibrated_thresholds_arbitrate_what_no_threshold_promises() -> None:
    spec = with_thresholds(ArbitrateStep.model_validate({"when": {"confidence_below": "calibrated"}}), _Resolved())  # type: ignore[arg-type]
    assert spec.when.confidence_below == {"intent": 0.6, "language": math.inf}
    first = label()
    again = answering(intent="debug", language=["python"], confidence={"intent": 1.0, "language": 1.0})
    row = go([first, Arbitrate("arbitrate", spec, [first])], Script([ANSWER, again]))
    assert row["arbitrated"]
    assert row["labels"]["intent"] == "debug"
    assert row["confidence"]["intent"] == 0.5


def test_full_confidence_is_asked_again_too_where_nothing_can_be_promised() -> None:
    spec = with_thresholds(ArbitrateStep.model_validate({"when": {"confidence_below": "calibrated"}}), _Resolved())  # type: ignore[arg-type]
    sure = answering(intent="learn", language=["python"], domain=[], confidence={"intent": 1.0, "language": 1.0})
    first = label()
    script = Script([sure, sure])
    row = go([first, Arbitrate("arbitrate", spec.model_copy(update={"dimensions": ("language",)}), [first])], script)
    assert row["arbitrated"]
