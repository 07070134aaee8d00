"""Reads records of chains of thought: a question, the reasoning, the answer it came to. Judges none of them."""

from __future__ import annotations

from collections.abc import Mapping

from rayjob.labels.readers_turns import read_turns
from rayjob.labels.turns import RowError, Turn, describe

ASKED = ("question", "problem", "query", "prompt", "instruction")
REASONED = ("cot", "reasoning", "chain_of_thought", "rationale", "thinking")
ANSWERED = ("answer", "final_answer", "response", "output")


def looks_reasoning(record: Mapping[str, object]) -> bool:
    """Whether a record has a field that asks and, beside it, a reasoning as text or a list of candidates."""
    asked, reasoned, _ = _fields(record)
    return bool(asked) and (isinstance(record.get(reasoned), str) or _has_candidates(record))


def used_fields(record: Mapping[str, object]) -> tuple[str, ...]:
    """The fields that become turns; every other one is metadata: qid, model, correct."""
    return tuple(name for name in _fields(record) if name)


def read_reasoning(record: Mapping[str, object]) -> list[Turn]:
    """The question as the user's turn, the answer as the assistant's with its reasoning beside it.

    Raises RowError("unreadable") where a field is no text (an answer may be a number).
    """
    asked, reasoned, answered = _fields(record)
    question = {"role": "user", "content": _text(record, asked)}
    if not reasoned and not answered:
        return read_turns([question])
    reply = {"role": "assistant", "content": _text(record, answered), "reasoning": _text(record, reasoned)}
    return read_turns([question, reply])


def _has_candidates(record: Mapping[str, object]) -> bool:
    """Competing reasonings, which stay metadata: `choose` reads them there."""
    found = record.get("candidates")
    return isinstance(found, list) and any(isinstance(one, Mapping) for one in found)


def _fields(record: Mapping[str, object]) -> tuple[str, str, str]:
    asked, reasoned, answered = (
        next((name for name in names if name in record), "") for names in (ASKED, REASONED, ANSWERED)
    )
    return asked, reasoned, answered


def _text(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise RowError("unreadable", f"field {name!r} is {describe(value)}; accepted: a text")
