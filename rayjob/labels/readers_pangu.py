"""Reads Pangu's markers: reasoning, tool calls, and several turns inside one content."""

from __future__ import annotations

import re

from rayjob.labels.readers_calls import split_calls
from rayjob.labels.turns import Role, ToolCall

REASONING = re.compile(r"\[unused16\](.*?)(?:\[unused17\]|\Z)", re.DOTALL)
CALL = re.compile(r"\[unused11\](.*?)(?:\[unused12\]|\Z)", re.DOTALL)
# What follows a call is said after the tool answered: a turn of its own, as other formats have it.
TURN_EDGE = re.compile(r"(?:\[unused10\]\s*)?\[unused9\]|\[unused10\]|(?<=\[unused12\])(?!\s*\[unused11\])")
ROLE_PREFIX = re.compile(r"\s*(用户|助手|系统|工具|user|assistant|system|tool)\s*[：:]\s*", re.IGNORECASE)
ROLES: dict[str, Role] = {
    "用户": "user", "助手": "assistant", "系统": "system", "工具": "tool",
    "user": "user", "assistant": "assistant", "system": "system", "tool": "tool",
}  # fmt: skip


def has_markers(text: str) -> bool:
    """Whether `text` has any of Pangu's markers."""
    return "[unused" in text


def split_turns(text: str, role: Role) -> list[tuple[Role, str]]:
    """The turns inside one content.

    The first has the raw turn's role; later ones name theirs, else it stays the same.
    """
    turns: list[tuple[Role, str]] = []
    for piece in TURN_EDGE.split(text):
        if prefix := ROLE_PREFIX.match(piece) if turns or text.startswith("[unused9]") else None:
            role = ROLES[prefix.group(1).lower()]
            piece = piece[prefix.end() :]
        if piece.strip():
            turns.append((role, piece))
    return turns


def split_marked(text: str) -> tuple[str, str, tuple[ToolCall, ...]]:
    """The text without reasoning and calls; the reasoning; the calls. Unclosed blocks run to the end."""
    reasoning = [match.group(1).strip() for match in REASONING.finditer(text)]
    text, calls = split_calls(REASONING.sub("", text), CALL)
    return text, "\n\n".join(part for part in reasoning if part), calls
