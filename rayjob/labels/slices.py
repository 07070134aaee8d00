"""Which samples a conversation gives: the whole, its last exchange, or one for every reply. Cuts no text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from rayjob.labels.turns import Conversation, RowError

SliceMode = Literal["none", "last_turn", "every_reply"]


@dataclass(frozen=True, slots=True)
class Sparse:
    """The replies that are labelled: the first `full`, then every `every`-th, and always the last."""

    full: int = 10
    every: int = 5

    def labels(self, ordinal: int, count: int) -> bool:
        """Whether the reply with this ordinal (from 0) of `count` is labelled."""
        return ordinal < self.full or ordinal == count - 1 or (ordinal - self.full + 1) % self.every == 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one row is about. `turn` is the index of the labelled turn in the whole conversation.

    `query` is the index of its question and `labelled` its own, both among the sample's turns; `start` is what lies
    between the two ways of counting. `heirs` are the turns of skipped replies that take this sample's labels.
    """

    conversation: Conversation
    turn: int
    query: int | None = None
    heirs: tuple[int, ...] = ()
    start: int = 0

    @property
    def labelled(self) -> int:
        """Index of the labelled turn among the sample's own turns."""
        return self.turn - self.start


def slice_conversation(
    conversation: Conversation, mode: SliceMode = "none", sparse: Sparse | None = None, *, inherit: bool = False
) -> Iterator[Sample]:
    """The samples of a conversation, in order; at least one, or RowError("empty") where there is no reply to slice at.

    none: the whole conversation, labelled at its last reply. last_turn: from the last question that has a reply,
    without the history. every_reply: one sample a reply (each turn of the assistant), with the history up to it.
    """
    if mode == "every_reply":
        if not conversation.replies:
            raise RowError("empty", "no reply of the assistant to slice at; slice: none labels such conversations")
        return _every_reply(conversation, sparse, inherit)
    turns = conversation.turns
    target = conversation.replies[-1] if conversation.replies else len(turns) - 1
    query = _query_before(conversation, target)
    if mode == "none" or query is None:
        return iter((Sample(conversation, target, query),))
    return iter((_cut(conversation, query, target),))


def _every_reply(conversation: Conversation, sparse: Sparse | None, inherit: bool) -> Iterator[Sample]:
    replies = conversation.replies
    asked = [turn for place, turn in enumerate(replies) if sparse is None or sparse.labels(place, len(replies))]
    for turn, following in zip(asked, [*asked[1:], len(conversation.turns)], strict=True):
        heirs = tuple(reply for reply in replies if turn < reply < following) if inherit else ()
        yield replace(_cut(conversation, 0, turn), heirs=heirs)


def _cut(conversation: Conversation, start: int, end: int) -> Sample:
    """The turns from `start` to `end` inclusive, with the raw turns they came from; a system turn stays in front."""
    whole = conversation.turns
    system = whole[:1] if start and whole[0].role == "system" else ()
    turns = (*system, *whole[start : end + 1])
    first = max(0, whole[start].origin) if start else 0
    ahead = conversation.raw_turns[:1] if system and system[0].origin == 0 and first else []
    raw = [*ahead, *conversation.raw_turns[first : whole[end].origin + 1]]
    cut = replace(conversation, turns=turns, raw_turns=raw)
    query = _query_before(conversation, end)
    offset = start - len(system)
    return Sample(cut, end, None if query is None else query - offset, start=offset)


def _query_before(conversation: Conversation, turn: int) -> int | None:
    """Index of the last user turn at or before `turn`."""
    return next((index for index in range(turn, -1, -1) if conversation.turns[index].role == "user"), None)
