"""Turns → the text a label prompt gets, cut to a budget.

Keeps the task, the question and the labelled reply; keeps the order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rayjob.labels.turns import Turn

SEPARATOR = "\n\n"
# A line of the conversation that looks like one of our role marks would pass for a turn of its own.
FALSE_MARK = re.compile(r"^(?=\[(?:system|user|assistant|tool|calls)\b)", re.MULTILINE)
#: Longest note, with 13-digit counts, and its line ends.
NOTE_CHARS = 72
#: A turn cut below this says nothing any more; it is left out whole.
MIN_PIECE = 200


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The transcript, and how many characters of the full one are not in it."""

    text: str
    dropped_chars: int = 0


def render_turn(turn: Turn) -> str:
    """One turn with its role mark: `[user]`, `[assistant]`, `[tool NAME]`, then text and calls."""
    mark = f"[{turn.role} {turn.name}]" if turn.name else f"[{turn.role}]"
    calls = (f"[calls {call.name or 'a tool'}] {call.arguments}".rstrip() for call in turn.tool_calls)
    return "\n".join((mark, *((FALSE_MARK.sub("\\\\", turn.text),) if turn.text else ()), *calls))


def make_excerpt(turns: Sequence[Turn], max_chars: int | None = None, labelled: int | None = None) -> Excerpt:
    """The transcript of `turns` in at most `max_chars` characters (None: all of it). Total: any budget gives a text.

    First come the first user turn, the last user turn before the labelled one and the labelled one (default: the
    last), in equal shares where they do not fit; then the others from the last to the first. What is left out is
    marked where it stood.
    """
    blocks = [render_turn(turn) for turn in turns]
    whole = sum(map(len, blocks)) + len(SEPARATOR) * max(0, len(blocks) - 1)
    if max_chars is None or whole <= max_chars:
        return Excerpt(SEPARATOR.join(blocks))
    important = _important(turns, len(turns) - 1 if labelled is None else labelled)
    # Each important turn can be cut and have a gap beside it; one more turn can be cut, and one gap ends the text.
    overhead = (NOTE_CHARS + len(SEPARATOR)) * (2 * len(important) + 2) + len(SEPARATOR) * len(important)
    if max_chars < overhead + MIN_PIECE * len(important):
        return _cut_flat(blocks, important, max_chars)
    granted = _grant(blocks, important, max_chars - overhead)
    return _assemble(blocks, granted)


def _important(turns: Sequence[Turn], labelled: int) -> list[int]:
    users = [index for index, turn in enumerate(turns) if turn.role == "user"]
    asked = [index for index in users if index <= labelled]
    return sorted({*users[:1], *asked[-1:], labelled})


def _grant(blocks: Sequence[str], important: Sequence[int], budget: int) -> dict[int, int]:
    """How many characters each block gets: equal shares among the important ones, the rest from the last to the
    first.
    """
    granted: dict[int, int] = {}
    for place, index in enumerate(sorted(important, key=lambda index: len(blocks[index]))):
        granted[index] = min(len(blocks[index]), budget // (len(important) - place))
        budget -= granted[index]
    for index in range(len(blocks) - 1, -1, -1):
        if index in granted:
            continue
        cost = len(blocks[index]) + len(SEPARATOR)
        if budget < min(cost, MIN_PIECE):
            break
        granted[index] = min(len(blocks[index]), budget - len(SEPARATOR))
        budget -= granted[index] + len(SEPARATOR)
    return granted


def _assemble(blocks: Sequence[str], granted: dict[int, int]) -> Excerpt:
    pieces: list[str] = []
    dropped = gap_turns = gap_chars = 0
    for index, block in enumerate(blocks):
        if index not in granted:
            gap_turns, gap_chars = gap_turns + 1, gap_chars + len(block)
            continue
        if gap_turns:
            pieces.append(_note(gap_chars, gap_turns))
        dropped += gap_chars + len(block) - granted[index]
        gap_turns = gap_chars = 0
        pieces.append(_cut_middle(block, granted[index]))
    if gap_turns:
        pieces.append(_note(gap_chars, gap_turns))
    return Excerpt(SEPARATOR.join(pieces), dropped + gap_chars)


def _cut_middle(block: str, kept: int) -> str:
    """The first two thirds and the last third of what may be kept; the note in between."""
    if kept >= len(block):
        return block
    tail = kept // 3
    return f"{block[: kept - tail]}\n{_note(len(block) - kept)}\n{block[len(block) - tail :]}"


def _cut_flat(blocks: Sequence[str], important: Sequence[int], max_chars: int) -> Excerpt:
    """For budgets too small to share out: the beginnings of the first and the last important turn."""
    whole = sum(map(len, blocks))
    room = max_chars - NOTE_CHARS
    head = blocks[important[0]] if important else ""
    if room <= 0:
        kept = head[: max(0, max_chars)]
        return Excerpt(kept, whole - len(kept))
    tail = blocks[important[-1]][: room // 2] if len(important) > 1 else ""
    head = head[: room - len(tail)]
    dropped = whole - len(head) - len(tail)
    return Excerpt(f"{head}\n{_note(dropped)}\n{tail}".rstrip(), dropped)


def _note(chars: int, turns: int = 0) -> str:
    which = f"{turns:,} turn{'s' if turns > 1 else ''}, " if turns else ""
    return f"[… {which}{chars:,} characters left out …]"


def fence_for(text: str) -> str:
    """A line that does not occur in `text`, the same for the same text: what stands between two of it cannot end it."""
    lowered = text.lower()
    number = 0
    while (fence := f"=====conversation{f'-{number}' if number else ''}=====") in lowered:
        number += 1
    return fence.upper()
