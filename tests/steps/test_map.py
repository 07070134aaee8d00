"""Mapping unmapped tags: candidates, choices, and what stays a suggestion."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayjob.labels.asking import AnswerError, CallFailedError
from rayjob.labels.nearest import TagIndex
from rayjob.spec.label import MapStep
from rayjob.steps.map import MapUnmapped, read_choices
from rayjob.steps.row import Row, start_row
from tests.labels.small import SMALL
from tests.steps.asking import Script

LABELS = {"intent": "learn", "language": ["go"], "domain": [], "concept": []}
UNMAPPED = [
    {"dimension": "domain", "value": "backend-web", "kind": "violation"},
    {"dimension": "", "value": "quantum", "kind": "suggestion"},
]


def go(script: Script, unmapped: list[dict[str, str]] = UNMAPPED, **settings: Any) -> Row:
    step = MapUnmapped("map", MapStep(unmapped_with="judge", **settings), SMALL)
    row = start_row({"uid": "u", "labels": dict(LABELS), "unmapped": list(unmapped)})
    return asyncio.run(step(row, script))


def test_a_mapped_tag_becomes_a_label_and_the_rest_a_suggestion() -> None:
    script = Script([{"1": "web-backend", "2": "none"}])
    row = go(script)
    assert row["labels"]["domain"] == ["web-backend"]
    assert row["unmapped"] == [{"dimension": "", "value": "quantum", "kind": "suggestion"}]
    assert row["canonicalized"] == [
        {"dimension": "domain", "value": "backend-web", "to_dimension": "domain", "to": "web-backend"}
    ]
    assert [call["step"] for call in row["calls"]] == ["map"]
    asked = script.asked[0]
    assert asked.model == "judge"
    assert '1. label "backend-web" of dimension domain' in asked.messages[-1]["content"]
    assert "- web-backend: About web-backend." in asked.messages[-1]["content"]
    assert (asked.schema or {})["required"] == ["1", "2"]


@pytest.mark.parametrize("choice", ["python", "no-such-tag", "none", 7, None])
def test_a_choice_that_was_not_offered_maps_nothing(choice: object) -> None:
    row = go(Script([{"1": choice, "2": "none"}]), candidates=1)
    assert row["labels"] == LABELS
    assert [entry["kind"] for entry in row["unmapped"]] == ["suggestion", "suggestion"]


def test_a_single_select_dimension_that_has_its_tag_keeps_it() -> None:
    row = go(Script([{"1": "debug"}]), [{"dimension": "intent", "value": "debugging", "kind": "violation"}])
    assert row["labels"]["intent"] == "learn"
    assert row["unmapped"][0]["kind"] == "suggestion"


def test_a_tag_of_a_dimension_that_is_not_labelled_stays_a_suggestion() -> None:
    row = go(Script([{"1": "snippet"}]), [{"dimension": "", "value": "snippets", "kind": "suggestion"}])
    assert "context" not in row["labels"]
    assert len(row["unmapped"]) == 1


def test_rows_without_unmapped_tags_and_failed_rows_ask_nothing() -> None:
    assert go(Script([]), [])["calls"] == []


def test_the_same_value_is_asked_about_once_and_only_so_many_of_them() -> None:
    script = Script([{"1": "none"}])
    row = go(script, [UNMAPPED[0], UNMAPPED[0], UNMAPPED[1]], max_tags=1)
    assert "2." not in script.asked[0].messages[-1]["content"]
    assert len(row["unmapped"]) == 3


def test_failing_to_map_keeps_the_row_and_says_so() -> None:
    row = go(Script([CallFailedError("server", "down")]))
    assert row["failure"] is None
    assert row["issues"] == ["unmapped tags not mapped (server: down)"]
    assert row["unmapped"] == UNMAPPED
    assert go(Script([CallFailedError("budget", "spent")]))["failure"]["kind"] == "budget"


def test_a_reply_without_any_number_is_an_answer_error() -> None:
    with pytest.raises(AnswerError):
        read_choices('{"a": "b"}', MapUnmapped("map", MapStep(unmapped_with="j"), SMALL).items(UNMAPPED))


@pytest.mark.parametrize(
    ("value", "dimension", "first"),
    [
        ("backend_web", "", "web-backend"),
        ("golang 1.21", "language", "go"),
        ("cache", "", "caching"),
        ("data structure", "domain", "data-structures"),
        ("unit testing", "", "testing"),
    ],
)
def test_nearest_tags(value: str, dimension: str, first: str) -> None:
    assert TagIndex(SMALL).nearest(value, dimension, 3)[0].id == first
