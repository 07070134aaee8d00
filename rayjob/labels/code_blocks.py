"""Code blocks in a text: fenced, with or without a language. Parses no code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rayjob.labels.cues_languages import CODE_MARKS, FENCES

FENCE_LINE = re.compile(r"(`{3,}|~{3,})[ \t]*([^\n`]*)$", re.MULTILINE)
BACKTICKS = re.compile("```+")
FENCE_NAME = re.compile(r"\{?\.?([\w+#.-]*)")
UNNAMED = frozenset(("", "text", "txt", "plaintext", "plain", "code"))
#: Blanks before a fence; looking further back would cost the square of a long line.
MAX_INDENT = 80
#: A block's language shows in its beginning, if at all.
MARK_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the language id ("" if none is known) and how many lines it has."""

    language: str
    lines: int


def split_code(text: str) -> tuple[str, list[Block]]:
    """The text outside fenced blocks, and the blocks. A block that is not closed runs to the end."""
    if "```" not in text and "~~~" not in text:
        return text, []
    prose: list[str] = []
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    at = 0
    for line in _fence_lines(text):
        if opening is None:
            prose.append(text[at : line.start()])
            opening, at = line, line.end()
        elif line.group(1).startswith(opening.group(1)) and not line.group(2).strip():
            blocks.append(_read_block(opening, text[at : line.start()]))
            opening, at = None, line.end()
    if opening is None:
        prose.append(text[at:])
    else:
        blocks.append(_read_block(opening, text[at:]))
    return "\n".join(prose), blocks


def _fence_lines(text: str) -> Iterator[re.Match[str]]:
    """The lines that open or close a block. Finds the signs first: matching at every place costs ten times as much."""
    if "~~~" in text:
        places = sorted(match.start() for sign in ("`{3,}", "~{3,}") for match in re.finditer(sign, text))
    else:
        places = [match.start() for match in BACKTICKS.finditer(text)]
    for at in places:
        before = text[max(0, at - MAX_INDENT) : at]
        begins_line = not before[before.rfind("\n") + 1 :].strip(" \t")
        if begins_line and (line := FENCE_LINE.match(text, at)):
            yield line


def _read_block(opening: re.Match[str], body: str) -> Block:
    name = FENCE_NAME.match(opening.group(2))
    return Block(find_language(name.group(1).lower() if name else "", body), body.strip("\n").count("\n") + 1)


def find_language(name: str, body: str) -> str:
    """The language id that a fence's name stands for; without a name, what the code itself shows."""
    if name not in UNNAMED:
        return FENCES.get(name, "")
    start = body[:MARK_CHARS]
    return next((tag for tag, mark in CODE_MARKS if mark.search(start)), "")
