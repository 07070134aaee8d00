"""Rows that come with spread labels: those stand, and only what is open is asked."""

from __future__ import annotations

import asyncio
import json

import pytest

from rayjob.steps.row import Row, start_row, take_given
from tests.steps.asking import Script, answering
from tests.steps.test_label import PREPARED, character


def given(**labels: object) -> Row:
    """A prepared row that takes labels along."""
    text = json.dumps({"labels": labels, "confidence": dict.fromkeys(labels, 0.97), "propagated": []})
    return take_given(start_row({**PREPARED, "given": text}))


def test_only_open_dimensions_are_asked() -> None:
    script = Script([answering(language=["go"], domain=["automation"])])
    row = asyncio.run(character()(given(intent="build"), script))
    assert row["labels"] == {"intent": "build", "language": ["go"], "domain": ["automation"]}
    assert row["confidence"]["intent"] == pytest.approx(0.97)
    assert script.asked[0].dimensions == ("language", "domain")


def test_nothing_is_asked_where_all_is_given() -> None:
    script = Script([])
    row = asyncio.run(character()(given(intent="build", language=[], domain=["shared"]), script))
    assert (script.asked, row["calls"], row["failure"]) == ([], [], None)
    assert row["labels"]["domain"] == ["shared"]
