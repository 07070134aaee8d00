"""The pool tags nearest to a word that is none of them: by spelling and by shared words. Needs no model."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from rayjob.labels.tags import squash
from rayjob.labels.taxonomy import Tag, Taxonomy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tag of a pool, as it is shown beside an unmapped one."""

    dimension: str
    id: str
    description: str


class TagIndex:
    """Every spelling of every tag, ready to be compared."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._entries = [
            (Candidate(dim.name, tag.id, tag.description), _spellings(tag), _words(tag.description))
            for dim in taxonomy.dimensions.values()
            for tag in dim.tags
        ]

    def nearest(self, value: str, dimension: str, count: int) -> list[Candidate]:
        """The `count` nearest tags, nearest first; those of `dimension` come first among equals.

        Similarity is the best of Dice's coefficient over letter pairs and over words, with a little for words that the
        description shares. Tags that share nothing are left out, except where that leaves fewer than three.
        """
        key = squash(value)[:80]
        pairs, words = _pairs(key), _words(key)
        scored = []
        for place, (tag, spellings, described) in enumerate(self._entries):
            likeness = max((max(dice(pairs, p), dice(words, w)) for p, w in spellings), default=0.0)
            likeness += 0.3 * len(words & described) / max(1, len(words)) + 0.15 * (tag.dimension == dimension)
            scored.append((-likeness, place, tag))
        best = heapq.nsmallest(count, scored)
        return [tag for rank, (likeness, _, tag) in enumerate(best) if -likeness > 0.25 or rank < 3]


def dice(left: frozenset[str], right: frozenset[str]) -> float:
    """2|A ∩ B| / (|A| + |B|) (Dice 1945)."""
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


def spell_likeness(left: str, right: str) -> float:
    """How alike two tags are spelt, from 0 to 1: the better of Dice's coefficient over letter pairs and over words."""
    one, other = squash(left)[:80], squash(right)[:80]
    return max(dice(_pairs(one), _pairs(other)), dice(_words(one), _words(other)))


def _spellings(tag: Tag) -> list[tuple[frozenset[str], frozenset[str]]]:
    keys = dict.fromkeys(squash(spelling) for spelling in (tag.id, tag.name, *tag.aliases))
    return [(_pairs(key), _words(key)) for key in keys]


def _pairs(key: str) -> frozenset[str]:
    padded = f" {key} "
    return frozenset(padded[at : at + 2] for at in range(len(padded) - 1))


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in squash(text).replace(",", "-").replace(".", "-").split("-") if len(word) > 2)
