"""Reads tool calls in the spellings that training data has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from rayjob.labels.turns import ToolCall

TAGGED_CALL = re.compile(r"<(tool_call|function_call)>(.*?)(?:</\1>|\Z)\s*", re.DOTALL)


def read_calls(value: object) -> tuple[ToolCall, ...]:
    """The calls in `value`: one call, a list of calls, or the JSON text of either.

    Total: what is no call is kept as text.
    """
    parsed = parse_json(value) if isinstance(value, str) else value
    if isinstance(parsed, Mapping):
        return (_read_call(parsed),)
    if isinstance(parsed, list) and parsed and all(isinstance(item, Mapping) for item in parsed):
        return tuple(_read_call(item) for item in parsed)
    text = to_text(value).strip()
    return (ToolCall("", text),) if text else ()


def split_calls(text: str, pattern: re.Pattern[str] = TAGGED_CALL) -> tuple[str, tuple[ToolCall, ...]]:
    """The text without its tagged calls, and the calls. The last group of `pattern` holds the call."""
    bodies = [match.group(match.re.groups) for match in pattern.finditer(text)]
    if not bodies:
        return text, ()
    return pattern.sub("", text), tuple(call for body in bodies for call in read_calls(body))


def _read_call(call: Mapping[object, object]) -> ToolCall:
    inner = call.get("function")
    named = inner if isinstance(inner, Mapping) else call
    name = next((v for k in ("name", "function", "tool", "tool_name") if isinstance(v := named.get(k), str) and v), "")
    for key in ("arguments", "input", "parameters", "args"):
        if named.get(key) is not None:
            return ToolCall(name, to_text(named[key]))
    skipped = {"name", "id", "type", "index", "function", "tool", "tool_name"}
    rest = {k: v for k, v in named.items() if k not in skipped and v is not None}
    return ToolCall(name, to_text(rest) if rest else "")


def read_tool_names(tools: object) -> tuple[str, ...]:
    """The names in a `tools` field: a list of definitions, or its JSON text."""
    parsed = parse_json(tools) if isinstance(tools, str) else tools
    if isinstance(parsed, Mapping):
        parsed = [parsed]
    found: Iterable[object] = parsed if isinstance(parsed, list) else ()
    names = [_read_call(tool).name for tool in found if isinstance(tool, Mapping)]
    return tuple(dict.fromkeys(name for name in names if name))


def parse_json(text: str) -> object:
    """The JSON value in `text`, or None where there is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def to_text(value: object) -> str:
    """`value` as text: strings as they are, everything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    except (ValueError, RecursionError):
        return f"<{type(value).__name__} that is not JSON>"
