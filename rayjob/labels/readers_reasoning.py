"""Reads records of chains of thought: a question, the reasoning, the answer it came to. Judges none of them."""

from __future__ import annotations

from collections.abc import Mapping

from rayjob.labels.readers_alpaca import read_history
from rayjob.labels.readers_turns import read_turns
from rayjob.labels.turns import RowError, Turn, describe

ASKED = ("question", "problem", "query", "prompt", "instruction")
REASONED = ("cot", "reasoning", "chain_of_thought", "rationale", "thinking")
ANSWERED = ("answer", "final_answer", "response", "output")
#: What Alpaca has beside its question, where it is of these types.
BESIDE: Mapping[str, type | tuple[type, ...]] = {"input": str, "history": (list, str)}


def looks_reasoning(record: Mapping[str, object]) -> bool:
    """Whether a record has a field that asks and, beside it, a reasoning as text or a list of candidates."""
    asked, reasoned, _ = _fields(record)
    return bool(asked) and (isinstance(record.get(reasoned), str) or _has_candidates(record))


def used_fields(record: Mapping[str, object]) -> tuple[str, ...]:
    """The fields that become turns; every other one is metadata: qid, model, correct."""
    beside = tuple(name for name, kind in BESIDE.items() if isinstance(record.get(name), kind))
    return (*(name for name in _fields(record) if name), *beside)


def read_reasoning(record: Mapping[str, object]) -> list[Turn]:
    """The question as the user's turn, the answer as the assistant's with its reasoning beside it.

    Raises RowError("unreadable") where a field is no text (an answer may be a number).
    """
    asked, reasoned, answered = _fields(record)
    given = record.get("input")
    texts = (_text(record, asked), given if isinstance(given, str) else "")
    history = record.get("history")
    raw = read_history(history if isinstance(history, BESIDE["history"]) else None)
    raw.append({"role": "user", "content": "\n\n".join(text for text in texts if text.strip())})
    if reasoned or answered:
        raw.append({"role": "assistant", "content": _text(record, answered), "reasoning": _text(record, reasoned)})
    return read_turns(raw)


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
