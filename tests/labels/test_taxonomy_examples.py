"""The conversations in `examples/`: what the quickstart shows must be in them."""

from __future__ import annotations

import json
from collections import Counter

from rayjob.labels.conversation import Conversation, parse_record
from rayjob.labels.signals import find_signals
from tests.shared_data import ROOT

EXAMPLES = ROOT / "examples"


def records() -> list[dict[str, object]]:
    lines = (EXAMPLES / "quickstart.jsonl").read_text(encoding="utf-8").splitlines()
    more: list[dict[str, object]] = json.loads((EXAMPLES / "more.json").read_text(encoding="utf-8"))
    return [json.loads(line) for line in lines] + more


def conversations() -> list[Conversation]:
    return [parse_record(record) for record in records()]


def test_ids_are_unique_and_files_small() -> None:
    ids = [str(record["id"]) for record in records()]
    assert len(set(ids)) == len(ids) >= 36
    assert sum(path.stat().st_size for path in EXAMPLES.iterdir()) < 150_000


def test_three_formats_and_all_intents() -> None:
    assert set(Counter(conversation.format for conversation in conversations())) == {"sharegpt", "openai", "alpaca"}
    intents = {conversation.metadata.get("written_as") for conversation in conversations()}
    assert {"learn", "build", "debug", "review", "decide"} <= intents


def test_every_conversation_ends_with_a_reply() -> None:
    for conversation in conversations():
        assert conversation.turns[-1].role == "assistant"
        assert conversation.turns[-1].text


def test_ten_languages_and_more_are_in_them() -> None:
    found = {language for conversation in conversations() for language in find_signals(conversation).languages}
    assert len(found) >= 20


def test_the_special_cases_are_there() -> None:
    known = conversations()
    texts = ["".join(turn.text for turn in conversation.turns) for conversation in known]
    assert sum(any(turn.tool_calls for turn in conversation.turns) for conversation in known) >= 3
    assert sum(any("一" <= char <= "鿿" for char in text[:200]) for text in texts) >= 3
    assert sum(len(text) > 20_000 for text in texts) == 1
    assert any(turn.reasoning for conversation in known for turn in conversation.turns)
    assert any(sum(turn.role == "user" for turn in conversation.turns) > 1 for conversation in known)
