"""The label steps of a spec: what is accepted and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rayjob.spec.label import ArbitrateStep, LabelStep, MajorityOf, MapStep

GOOD: dict[str, Any] = {"dimensions": ["intent"], "model": "worker", "prompt": "p.j2"}


@pytest.mark.parametrize(
    "settings",
    [
        {"dimensions": []},
        {"dimensions": ["intent", "intent"]},
        {"confidence": "samples"},
        {"confidence": "vibes"},
        {"samples": 0},
        {"temperature": 3},
        {"tags": "fuzzy"},
        {"promt": "x"},
    ],
)
def test_label_steps_that_are_refused(settings: dict[str, Any]) -> None:
    LabelStep.model_validate(GOOD)
    with pytest.raises(ValidationError):
        LabelStep.model_validate({**GOOD, **settings})


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ({}, "accept", "if_higher"),
        ({"accept": "always"}, "accept", "always"),
        ({"accept": {"majority_of": 3}}, "accept", MajorityOf(majority_of=3)),
        ({}, "rebuild", True),
        ({"record": "first"}, "record", "first"),
    ],
)
def test_arbitrate_steps(settings: dict[str, Any], field: str, value: object) -> None:
    assert getattr(ArbitrateStep.model_validate(settings), field) == value


@pytest.mark.parametrize(
    "settings",
    [
        {"when": {"confidence_below": 1.5}},
        {"when": {"confidence_below": {"intent": -1}}},
        {"accept": {"majority_of": 2}},
        {"accept": "maybe"},
        {"when": {"sure": True}},
    ],
)
def test_arbitrate_steps_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ArbitrateStep.model_validate(settings)


def test_when_has_its_default_threshold() -> None:
    assert ArbitrateStep().when.confidence_below == 0.65


def test_map_needs_a_model() -> None:
    assert MapStep(unmapped_with="judge").candidates == 8
    with pytest.raises(ValidationError):
        MapStep.model_validate({})
