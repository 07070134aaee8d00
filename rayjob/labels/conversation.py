"""Any record of training data → a Conversation, or the reason why not. Opens no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rayjob.labels.markup import clean_text
from rayjob.labels.readers_alpaca import looks_alpaca, read_alpaca, used_fields
from rayjob.labels.readers_reasoning import looks_reasoning, read_reasoning
from rayjob.labels.readers_reasoning import used_fields as reasoning_fields
from rayjob.labels.readers_turns import read_turns, turn_list
from rayjob.labels.turns import Conversation, Role, RowError, ToolCall, Turn, describe

__all__ = ["FORMATS", "Conversation", "Role", "RowError", "ToolCall", "Turn", "parse_record"]

FORMATS = ("sharegpt", "openai", "alpaca", "pangu", "reasoning")
#: Fields that hold a list of turns, and the format they speak of where the turns do not say.
TURN_FIELDS = {
    "messages": "openai",
    "conversations": "sharegpt",
    "conversation": "sharegpt",
    "data": "pangu",
    "turns": "openai",
}
ID_FIELDS = ("id", "uuid", "conversation_id", "sample_id", "uid", "_id")
SYSTEM_FIELDS = ("system", "system_prompt", "meta_prompt")
ACCEPTED = (
    "conversations (ShareGPT: from/value), messages (OpenAI: role/content), data (Pangu: role/content), "
    "instruction/input/output (Alpaca), question/cot/answer (reasoning)"
)


def parse_record(record: object, format: str = "auto") -> Conversation:
    """The conversation in one record of `format`, or of whichever it is ("auto").

    Raises RowError: "unreadable" for a wrong shape, "empty" where nothing is there to label. Any JSON value gets one
    or the other.
    """
    if isinstance(record, list):
        record = {"messages": record}
    if not isinstance(record, Mapping):
        raise RowError("unreadable", f"the record is {describe(record)}; accepted: an object with {ACCEPTED}")
    fields: dict[str, object] = {str(key): value for key, value in record.items()}
    turns_field = _find_turns(fields)
    found = _decide_format(fields, turns_field)
    if format != "auto" and format != found:
        raise RowError("unreadable", f"the record is {found}, not {format} as input.format says; use format: auto")
    conversation = _read(fields, turns_field, found)
    _check_not_empty(conversation)
    return conversation


def _find_turns(fields: Mapping[str, object]) -> str:
    """The field that holds the turns; "" for a record of separate fields."""
    lists = {name: turns for name in TURN_FIELDS if (turns := turn_list(fields.get(name))) is not None}
    filled = [name for name, turns in lists.items() if turns]
    if filled:
        return filled[0]
    if looks_reasoning(fields) or looks_alpaca(fields):
        return ""
    present = [name for name in TURN_FIELDS if name in fields]
    if lists or (present and all(fields[name] is None for name in present)):
        raise RowError("empty", f"no turns: {present[0]!r} is {describe(fields[present[0]])}")
    if present:
        raise RowError("unreadable", f"{present[0]!r} is {describe(fields[present[0]])}; accepted: a list of turns")
    raise RowError("unreadable", f"the record is {describe(fields)}; accepted: {ACCEPTED}")


def _decide_format(fields: Mapping[str, object], turns_field: str) -> str:
    """ShareGPT where a turn says `from`, else what the field's name says; role/content under `conversations` is
    OpenAI's.
    """
    if not turns_field:
        return "reasoning" if looks_reasoning(fields) else "alpaca"
    turns = turn_list(fields[turns_field]) or []
    if any(isinstance(turn, Mapping) and turn.get("from") is not None for turn in turns[:3]):
        return "sharegpt"
    return "pangu" if TURN_FIELDS[turns_field] == "pangu" or _has_markers(turns) else "openai"


def _has_markers(turns: list[object]) -> bool:
    return any(isinstance(turn, Mapping) and "[unused" in str(turn.get("content", ""))[:4000] for turn in turns[:4])


def _read(fields: dict[str, object], turns_field: str, found: str) -> Conversation:
    raw: list[object]
    if turns_field:
        raw = turn_list(fields[turns_field]) or []
        used: tuple[str, ...] = (turns_field,)
        turns = read_turns(raw)
    else:
        named, read = FIELD_READERS[found]
        used = named(fields)
        raw = [{name: fields[name] for name in used}]
        turns = [replace(turn, origin=0) for turn in read(fields)]
    id_field = next((name for name in ID_FIELDS if isinstance(fields.get(name), str | int) and fields[name] != ""), "")
    metadata = {name: value for name, value in fields.items() if name not in used and name != id_field}
    record_id = clean_text(str(fields[id_field])) if id_field else ""
    return Conversation((*_system_turn(fields, turns), *turns), found, record_id, raw, _flatten(metadata))


#: Formats whose turns stand in fields of their own: which fields, and how they are read.
FIELD_READERS = {"alpaca": (used_fields, read_alpaca), "reasoning": (reasoning_fields, read_reasoning)}


def _system_turn(fields: Mapping[str, object], turns: list[Turn]) -> tuple[Turn, ...]:
    """The system prompt that stands beside the turns, if the turns do not begin with one."""
    if turns and turns[0].role == "system":
        return ()
    value = next((fields[name] for name in SYSTEM_FIELDS if fields.get(name)), None)
    parts = value if isinstance(value, list) else [value]
    text = clean_text("\n".join(part for part in parts if isinstance(part, str)))
    return (Turn("system", text),) if text else ()


def _flatten(metadata: dict[str, object]) -> dict[str, object]:
    """A `metadata` object among the fields is what the column `metadata` means: its keys move up, if none is taken."""
    inner = metadata.get("metadata")
    if not isinstance(inner, Mapping) or any(key in metadata for key in inner):
        return metadata
    rest = {name: value for name, value in metadata.items() if name != "metadata"}
    return {**rest, **{str(key): value for key, value in inner.items()}}


def _check_not_empty(conversation: Conversation) -> None:
    if not conversation.turns:
        raise RowError("empty", f"no turn has any text ({len(conversation.raw_turns)} turns came in)")
    if all(turn.role == "system" for turn in conversation.turns):
        raise RowError("empty", "only a system turn: nothing to label")
    if not any(turn.text or turn.tool_calls for turn in conversation.turns if turn.role != "system"):
        raise RowError("empty", "no text outside the reasoning: nothing to label")
