"""Reads a list of raw turns: ShareGPT's from/value, OpenAI's role/content, Pangu's markers, all through one reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rayjob.labels.markup import clean_text, split_reasoning
from rayjob.labels.readers_calls import parse_json, read_calls, split_calls
from rayjob.labels.readers_pangu import has_markers, split_marked, split_turns
from rayjob.labels.readers_parts import Content, read_content
from rayjob.labels.turns import Role, RowError, ToolCall, Turn, describe

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer", "meta", "meta_prompt"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "customer", "用户"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "ai", "chatbot", "助手"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call", "tool_calls"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "function_response", "tool_result"), "tool"),
    **dict.fromkeys(("ipython", "environment", "tool_results"), "tool"),
}
CALL_ROLES = frozenset({"function_call", "tool_call", "tool_calls"})
ACCEPTED_ROLES = "system, user, assistant, tool; human, gpt, function_call, observation"
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "thought", "cot")


@dataclass(slots=True)
class Calls:
    """The calls seen so far, to name the tools that answer them."""

    by_id: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def note(self, raw: Mapping[object, object], calls: tuple[ToolCall, ...]) -> None:
        listed = raw.get("tool_calls")
        for item, call in zip(listed if isinstance(listed, list) else (), calls, strict=False):
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                self.by_id[item["id"]] = call.name
        parts = raw.get("content")
        for part in parts if isinstance(parts, list) else ():  # Anthropic's calls stand among the parts
            if isinstance(part, Mapping) and isinstance(part.get("id"), str) and isinstance(part.get("name"), str):
                self.by_id[part["id"]] = part["name"]
        if calls:
            self.waiting = [call.name for call in calls]

    def name_result(self, raw: Mapping[object, object]) -> str:
        """The tool a result is from: said by name, by the call's id, or the first call not yet answered."""
        if isinstance(name := raw.get("name"), str) and name:
            return name
        if isinstance(call_id := raw.get("tool_call_id"), str) and call_id in self.by_id:
            return self.by_id[call_id]
        return self.waiting.pop(0) if self.waiting else ""


def read_turns(raw_turns: list[object]) -> list[Turn]:
    """The turns of a conversation, empty ones left out.

    Raises RowError("unreadable") naming the turn and what is wrong.
    """
    calls = Calls()
    turns: list[Turn] = []
    for index, raw in enumerate(raw_turns):
        if raw is None:
            continue
        if not isinstance(raw, Mapping):
            raise RowError(
                "unreadable", f"turn {index} is {describe(raw)}; accepted: an object with role/content or from/value"
            )
        turns.extend(replace(turn, origin=index) for turn in _read_turn(raw, f"turn {index}", calls))
    return [turn for turn in turns if not turn.is_empty]


def _read_turn(raw: Mapping[object, object], where: str, calls: Calls) -> list[Turn]:
    said, role = _read_role(raw, where)
    content = read_content(_first(raw, ("content", "value", "text")), where)
    if said in CALL_ROLES:
        content.calls.extend(read_calls("\n".join(content.texts)))
        content.texts.clear()
    for key in ("tool_calls", "function_call"):
        if raw.get(key):
            content.calls.extend(read_calls(raw[key]))
    content.reasoning.extend(text for key in REASONING_KEYS if isinstance(text := raw.get(key), str))
    turns = _results(content, calls) + _spoken(content, role)
    calls.note(raw, tuple(content.calls))
    if role == "tool" and turns:
        name = calls.name_result(raw)
        turns = [replace(turn, name=clean_text(name)[:100]) for turn in turns]
    return turns


def _read_role(raw: Mapping[object, object], where: str) -> tuple[str, Role]:
    said = _first(raw, ("role", "from", "speaker"))
    if not isinstance(said, str):
        raise RowError(
            "unreadable", f"{where} has no role (it is {describe(raw)}); accepted: role/content or from/value"
        )
    lowered = said.strip().lower()
    if lowered not in ROLES:
        raise RowError("unreadable", f"{where}: no role called {said[:40]!r} (have: {ACCEPTED_ROLES})")
    return lowered, ROLES[lowered]


def _results(content: Content, calls: Calls) -> list[Turn]:
    """Tool results given as parts of a user's turn are the tool's turns, not the user's."""
    return [
        Turn("tool", clean_text(text), name=clean_text(calls.by_id.get(name, name))[:100])
        for name, text in content.results
    ]


def _spoken(content: Content, role: Role) -> list[Turn]:
    text = "\n".join(part for part in content.texts if part)
    pieces = split_turns(text, role) if has_markers(text) else [(role, text)]
    turns = [_read_spoken(piece, said) for said, piece in pieces or [(role, "")]]
    reasoning = clean_text("\n\n".join(content.reasoning))
    last = turns[-1]
    together = "\n\n".join(part for part in (reasoning, last.reasoning) if part)
    turns[-1] = replace(last, reasoning=together, tool_calls=(*last.tool_calls, *_clean_calls(content.calls)))
    return turns


def _read_spoken(text: str, role: Role) -> Turn:
    """A turn from its text. Only the assistant thinks and calls; a user's `<think>` is a quotation."""
    if role != "assistant":
        return Turn("tool", _unwrap(text)) if _is_response(text, role) else Turn(role, clean_text(text))
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    if has_markers(text):
        text, marked, found = split_marked(text)
        reasoning.append(marked)
        calls.extend(found)
    text, thought = split_reasoning(text)
    if "_call>" in text:
        text, found = split_calls(text)
        calls.extend(found)
    joined = "\n\n".join(part for part in (*reasoning, thought) if part)
    return Turn("assistant", clean_text(text), clean_text(joined), _clean_calls(calls))


def _clean_calls(calls: list[ToolCall]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(clean_text(call.name)[:100], clean_text(call.arguments)) for call in calls)


def _is_response(text: str, role: Role) -> bool:
    """Hermes and Qwen put a tool's answer into a user's turn between <tool_response> tags."""
    return role in ("user", "tool") and text.lstrip().startswith("<tool_response>")


def _unwrap(text: str) -> str:
    return clean_text(text.replace("<tool_response>", "").replace("</tool_response>", ""))


def _first(raw: Mapping[object, object], keys: tuple[str, ...]) -> object:
    return next((raw[key] for key in keys if raw.get(key) is not None), None)


def turn_list(value: object) -> list[object] | None:
    """`value` as a list of raw turns, if it is one or is the JSON text of one (Parquet often has it so)."""
    parsed = parse_json(value) if isinstance(value, str) else value
    return parsed if isinstance(parsed, list) else None
