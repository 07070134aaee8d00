"""Reads the content of one raw turn: a text, or a list of typed parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rayjob.labels.readers_calls import parse_json, read_calls, to_text
from rayjob.labels.turns import RowError, ToolCall, describe

#: What holds no text of the conversation, but a file: shown by its name alone, wherever it stands.
MEDIA_TYPES = frozenset({"image", "image_url", "input_image", "audio", "input_audio", "video", "video_url", "file"})
TEXT_TYPES = frozenset({"text", "input_text", "output_text", "refusal", "string"})
REASONING_TYPES = frozenset({"reasoning", "thinking", "thought", "reasoning_content", "think"})
CALL_TYPES = frozenset({"tool_call", "tool_calls", "tool_use", "function_call", "function"})
RESULT_TYPES = frozenset({"tool_result", "tool_response", "function_response", "observation"})
#: Where the text of a part stands, first found.
TEXT_KEYS = ("text", "value", "content", "thinking", "reasoning", "refusal", "output")


@dataclass(slots=True)
class Content:
    """What one raw turn held; `results` are (tool name or call id, text) of tool results given as parts."""

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)


def read_content(value: object, where: str) -> Content:
    """The content of a turn. Raises RowError("unreadable") for anything but text, null, a part or a list of parts."""
    content = Content()
    if isinstance(value, str):
        content.texts.append(value)
    elif isinstance(value, Mapping):
        _read_part(value, content)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _read_list_item(part, content, f"{where}, part {index}")
    elif value is not None:
        raise RowError("unreadable", f"{where}: content is {describe(value)}; accepted: a text or a list of parts")
    return content


def _read_list_item(part: object, content: Content, where: str) -> None:
    if isinstance(part, str):
        content.texts.append(part)
    elif isinstance(part, Mapping):
        _read_part(part, content)
    elif part is not None:
        raise RowError("unreadable", f"{where} is {describe(part)}; accepted: a text, or an object with type and text")


def _read_part(part: Mapping[object, object], content: Content) -> None:
    kind = str(part.get("type") or "text").lower()
    text = _text_of(part)
    if kind in REASONING_TYPES:
        content.reasoning.append(text)
    elif kind in CALL_TYPES:
        content.calls.extend(_calls_of(part))
    elif kind in RESULT_TYPES:
        content.results.append((str(part.get("name") or part.get("tool_use_id") or ""), text))
    elif text or "type" in part:
        content.texts.append(text if text or kind in TEXT_TYPES else _placeholder(kind))
    elif not part.keys() & set(TEXT_KEYS):  # no part at all but a value: what a tool returned, as an object
        content.texts.append(to_text(dict(part)) if part else "")


def _placeholder(kind: str) -> str:
    return f"[{kind.removeprefix('input_').removesuffix('_url')[:40]}]"


def _text_of(part: Mapping[object, object]) -> str:
    """The text of a part; parts inside a tool's result are read one level deep."""
    value = next((part[key] for key in TEXT_KEYS if part.get(key) is not None), "")
    if isinstance(value, list):
        inner = (_inner_text(item) for item in value)
        return "\n".join(text for text in inner if text)
    return _inner_text(value)


def _inner_text(value: object) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(value, Mapping) and (kind := str(value.get("type")).lower()) in MEDIA_TYPES:
        return _placeholder(kind)
    return to_text(value)


def _calls_of(part: Mapping[object, object]) -> tuple[ToolCall, ...]:
    """A call stands in the part itself (name, input) or as JSON under one of its keys."""
    for key in ("value", "tool_calls", "tool_call", "function_call", "text", "content"):
        value = part.get(key)
        if isinstance(value, Mapping | list) or (isinstance(value, str) and parse_json(value) is not None):
            return read_calls(value)
    return read_calls(dict(part))
