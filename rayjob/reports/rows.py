"""One labelled or failed row → what a page shows of it: short texts, tags, flags. Long ones are cut, and say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayjob.labels.conversation import RowError, Turn, parse_record

TITLE_CHARS = 220
TURN_CHARS = 1200
SHOWN_TURNS = 6


@dataclass(frozen=True, slots=True)
class RowView:
    """A row for the page. `labels` is (dimension, tags, confidence or None); `flags` what a reader should look at."""

    uid: str
    place: str
    title: str
    turns: tuple[tuple[str, str], ...]
    hidden_turns: int
    labels: tuple[tuple[str, tuple[str, ...], float | None], ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A failed row for the page."""

    uid: str
    place: str
    step: str
    attempts: int
    message: str
    title: str


def view_row(row: Mapping[str, Any]) -> RowView:
    """A row of labels/ as the page shows it."""
    turns = read_turns(row)
    shown = tuple((turn.role, cut(turn.text or calls_of(turn), TURN_CHARS)) for turn in turns[:SHOWN_TURNS])
    confidence = row.get("confidence") or {}
    labels = tuple(
        (dimension, as_tags(value), confidence.get(dimension)) for dimension, value in (row.get("labels") or {}).items()
    )
    title = title_of(turns)
    return RowView(
        str(row.get("uid", "")), place_of(row), title, shown, max(0, len(turns) - SHOWN_TURNS), labels, flags_of(row)
    )


def view_failure(row: Mapping[str, Any]) -> FailedRow:
    """A row of failures/ as the page shows it: its failure stands in columns of its own, or in a struct."""
    failure = row.get("failure") or row
    return FailedRow(
        str(row.get("uid", "")),
        place_of(row),
        str(failure.get("step") or ""),
        int(failure.get("attempts") or 0),
        cut(str(failure.get("message") or ""), TURN_CHARS),
        title_of(read_turns(row)),
    )


def read_turns(row: Mapping[str, Any]) -> Sequence[Turn]:
    """The conversation's turns; its text as one turn where it cannot be read (it may be the reason of the failure)."""
    text = row.get("conversation") or row.get("input") or ""
    try:
        raw = json.loads(text)
        return parse_record(raw[0] if row.get("format") == "alpaca" else raw).turns
    except (ValueError, RowError, LookupError, TypeError):
        return (Turn("user", str(text)),) if text else ()


def title_of(turns: Sequence[Turn]) -> str:
    """The beginning of what the user asked last."""
    asked = [turn.text for turn in turns if turn.role == "user" and turn.text]
    return cut(" ".join((asked[-1] if asked else "").split()), TITLE_CHARS)


def calls_of(turn: Turn) -> str:
    """A turn without text is shown by the tools it calls."""
    return "\n".join(f"{call.name}({call.arguments})" for call in turn.tool_calls)


def place_of(row: Mapping[str, Any]) -> str:
    """`file.jsonl:12 turn 3`, as far as it is known."""
    turn = f" turn {row['turn']}" if isinstance(row.get("turn"), int) and row["turn"] >= 0 else ""
    number = f":{row['row']}" if row.get("row") is not None else ""
    return f"{str(row.get('source') or '').rsplit('/', 1)[-1]}{number}{turn}"


def as_tags(value: object) -> tuple[str, ...]:
    """A single tag and a list of tags alike."""
    if value is None or value == "":
        return ()
    return tuple(str(tag) for tag in value) if isinstance(value, list | tuple) else (str(value),)


def flags_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Arbitrated, tags outside the pools, broken rules: what a reader looks for."""
    unmapped = [f"{found.get('kind')}: {found.get('value')}" for found in row.get("unmapped") or []]
    warnings = [str(warning) for warning in row.get("warnings") or []]
    return (*(["arbitrated"] if row.get("arbitrated") else []), *unmapped, *warnings)


def cut(text: str, limit: int) -> str:
    """The text up to `limit` characters, and how many more there were."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()}… ({len(text) - limit:,} characters more)"
