"""Reads Alpaca records: instruction, input, output, history, system."""

from __future__ import annotations

from collections.abc import Mapping

from rayjob.labels.readers_calls import parse_json
from rayjob.labels.readers_turns import read_turns
from rayjob.labels.turns import RowError, Turn, describe

ASKED = ("instruction", "prompt", "query", "question")
ANSWERED = ("output", "response", "completion", "answer", "chosen")
FIELDS = (*ASKED, *ANSWERED, "input", "history")


def looks_alpaca(record: Mapping[str, object]) -> bool:
    """Whether a record has one of the fields that ask and one of those that answer."""
    if "instruction" in record:
        return True
    return any(key in record for key in ASKED) and any(key in record for key in ANSWERED)


def used_fields(record: Mapping[str, object]) -> tuple[str, ...]:
    """The fields of the record that hold turns: one that asks, one that answers, input and history."""
    asked = next((key for key in ASKED if key in record), None)
    answered = next((key for key in ANSWERED if key in record), None)
    return tuple(key for key in (asked, "input", answered, "history") if key is not None and key in record)


def read_alpaca(record: Mapping[str, object]) -> list[Turn]:
    """The turns of an Alpaca record. Raises RowError("unreadable") where a field is not text."""
    asked = _text(record, ASKED)
    given = _text(record, ("input",))
    question = "\n\n".join(part for part in (asked, given) if part.strip())
    raw: list[object] = read_history(record.get("history"))
    raw.append({"role": "user", "content": question})
    raw.append({"role": "assistant", "content": _text(record, ANSWERED)})
    return read_turns(raw)


def _text(record: Mapping[str, object], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = record.get(key)
        if isinstance(value, list) and value:  # a ranked list of answers: the first is the chosen one
            value = value[0]
        if isinstance(value, str):
            return value
        if value:
            raise RowError("unreadable", f"field {key!r} is {describe(value)}; accepted: a text")
    return ""


def read_history(value: object) -> list[object]:
    """The raw turns of a field `history`. Raises RowError("unreadable") where it is no list of pairs."""
    pairs = parse_json(value) if isinstance(value, str) else value
    if not pairs:
        return []
    if not isinstance(pairs, list):
        raise RowError("unreadable", f"field 'history' is {describe(value)}; accepted: a list of [question, answer]")
    turns: list[object] = []
    for index, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise RowError("unreadable", f"history[{index}] is {describe(pair)}; accepted: [question, answer]")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return turns
