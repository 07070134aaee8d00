"""What a conversation is, whatever format it came in. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]


class RowError(ValueError):
    """A record that cannot be labelled. `kind` is one of the failure kinds: "unreadable" or "empty"."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the assistant asked for; `arguments` is text, JSON where it came as JSON."""

    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, markup stripped and reasoning taken out of `text`.

    `origin` is the index of the raw turn it came from: one raw turn can hold several (Pangu, tool results among parts).
    Turns that stand in a field of their own (a system prompt beside the turns) have origin -1.
    """

    role: Role
    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""
    origin: int = -1

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it, not even reasoning."""
        return not (self.text or self.tool_calls or self.reasoning)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns as read, the turns as they came in (`raw_turns`), and every other field (`metadata`)."""

    turns: tuple[Turn, ...]
    format: str
    id: str
    raw_turns: Sequence[object]
    metadata: Mapping[str, object]

    @property
    def replies(self) -> tuple[int, ...]:
        """Indices of the assistant's turns: what can be labelled."""
        return tuple(index for index, turn in enumerate(self.turns) if turn.role == "assistant")


def describe(value: object, limit: int = 60) -> str:
    """What a value is, in a few words, for a message to the person whose file it stands in."""
    if value is None or isinstance(value, bool | int | float):
        return f"{value!r:.{limit}}"
    if isinstance(value, str):
        return f"the text {value[:limit]!r}" if value else "an empty text"
    if isinstance(value, Mapping):
        names = ", ".join(str(key)[:30] for key in list(value)[:8])
        return f"an object with {names[: 3 * limit]}" if names else "an empty object"
    if isinstance(value, Sequence):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"
