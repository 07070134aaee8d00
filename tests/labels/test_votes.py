"""Majorities of answers, and confidence from token probabilities."""

from __future__ import annotations

import pytest

from rayjob.labels.logprobs import confidence_of_tokens
from rayjob.labels.tags import LabelValue, Resolved
from rayjob.labels.votes import merge_answers, vote
from tests.labels.small import INTENT, LANGUAGE


@pytest.mark.parametrize(
    ("values", "winner", "agreement", "split"),
    [
        (["learn"], "learn", 1.0, False),
        (["build", "learn", "learn"], "learn", 2 / 3, True),
        (["build", "learn"], "build", 0.5, True),
        (["", "", "learn"], "", 2 / 3, True),
    ],
)
def test_single_select_votes(values: list[LabelValue], winner: str, agreement: float, split: bool) -> None:
    found = vote(values, INTENT)
    assert (found.value, found.agreement, found.is_split) == (winner, pytest.approx(agreement), split)


@pytest.mark.parametrize(
    ("values", "kept", "agreement", "split"),
    [
        ([["go"], ["go"]], ["go"], 1.0, False),
        ([[], []], [], 1.0, False),
        ([["go", "python"], ["python", "go"]], ["go", "python"], 1.0, False),
        ([["go"], ["python"]], ["go"], 0.5, True),
        ([[], ["go"]], [], 0.5, True),
        ([["go"], ["python"], ["python"], []], [], 0.25, True),
        ([["go"], ["go", "python"], []], ["go"], (1 + 0.5 + 0) / 3, True),
    ],
)
def test_multi_select_votes(values: list[LabelValue], kept: list[str], agreement: float, split: bool) -> None:
    found = vote(values, LANGUAGE)
    assert (found.value, found.agreement, found.is_split) == (kept, pytest.approx(agreement), split)


def test_a_dimension_is_as_likely_as_its_least_likely_tag() -> None:
    tokens = [
        ('{"intent": "', 0.0), ("le", -0.5), ("arn", -0.5), ('", "language": ["', -9.0), ("go", -0.1),
        ('", "', -9.0), ("python", -2.0), ('"]}', 0.0),
    ]  # fmt: skip
    found = confidence_of_tokens(tokens, [INTENT, LANGUAGE])
    assert found == {"intent": pytest.approx(0.3679, abs=1e-4), "language": pytest.approx(0.1353, abs=1e-4)}


def test_without_tokens_there_is_no_confidence() -> None:
    assert confidence_of_tokens([], [INTENT]) == {"intent": None}


def test_leaving_a_dimension_out_is_no_vote() -> None:
    silent = Resolved({"intent": ""}, {"intent": 0.0}, issues=("Missing: intent",))
    said = Resolved({"intent": "learn"}, {"intent": 0.8})
    dims = [INTENT]
    assert merge_answers([silent, silent, said], dims, by_agreement=True).labels == {"intent": "learn"}
    nothing = merge_answers([silent, silent], dims, by_agreement=True)
    assert (nothing.labels, nothing.confidence) == ({"intent": ""}, {"intent": 0.0})  # silence agreed with itself fully
