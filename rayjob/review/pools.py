"""The tags a reviewer may answer with, and how a typed cell is read against them. Accepts nothing outside the pool."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from rayjob.labels.taxonomy import Taxonomy
from rayjob.spec.base import SpecModel

#: How a reviewer says "nothing applies": a blank cell only says "not answered".
NONE = "(none)"
_NONE_WORDS = frozenset((NONE, "none", "-", "–", "—", "∅"))
_SAME_WORDS = frozenset(("ok", "same"))
_SEPARATORS = re.compile(r"[,;|\n\t，；、]+")


class Pool(SpecModel):
    """One dimension's tags and aliases."""

    select: Literal["single", "multi"]
    tags: tuple[str, ...]
    aliases: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadCell:
    """A cell as read: `tags` accepted, or None with the reason `why` (no reason: the cell is blank)."""

    tags: tuple[str, ...] | None
    why: str = ""


def pools_of(taxonomy: Taxonomy, dimensions: Sequence[str]) -> dict[str, Pool]:
    """The pools of these dimensions; those the taxonomy lacks are left out."""
    found = {}
    for name in dimensions:
        if name in taxonomy.dimensions:
            dimension = taxonomy.dimensions[name]
            aliases = {alias: tag.id for tag in dimension.tags for alias in tag.aliases}
            found[name] = Pool(
                select=dimension.select,
                tags=tuple(tag.id for tag in dimension.tags),
                aliases=dict(sorted(aliases.items())),
            )
    return found


def pools_seen(answers: Mapping[str, Sequence[Sequence[str] | None]], multi: frozenset[str]) -> dict[str, Pool]:
    """Pools of the tags in use, where no taxonomy is given."""
    return {
        name: Pool(
            select="multi" if name in multi else "single",
            tags=tuple(sorted({tag for said in rows if said for tag in said})),
        )
        for name, rows in answers.items()
    }


def read_cell(text: str, pool: Pool, proposal: Sequence[str] | None = ()) -> ReadCell:
    """Read what a reviewer typed: tags or aliases in any case, NONE for nothing, `ok` for the proposal, or blank.

    A proposal that nobody saw (None: a blind review) cannot be agreed to, nor one outside the pool.

    One unknown tag refuses the whole cell: half an answer would count as a wrong one.
    """
    typed = text.strip()
    if not typed:
        return ReadCell(None)
    known = {**{alias.casefold(): tag for alias, tag in pool.aliases.items()}, **{t.casefold(): t for t in pool.tags}}
    lowered = typed.casefold()
    if lowered not in known and lowered in _NONE_WORDS:
        return ReadCell(())
    if lowered not in known and lowered in _SAME_WORDS:
        return _agreed(proposal, pool)
    parts = [typed] if lowered in known else [part.strip() for part in _SEPARATORS.split(typed) if part.strip()]
    unknown = [part for part in parts if part.casefold() not in known]
    if unknown or not parts:
        return ReadCell(None, _unknown(unknown or [typed], pool))
    tags = tuple(dict.fromkeys(known[part.casefold()] for part in parts))
    if pool.select == "single" and len(tags) > 1:
        return ReadCell(None, f"{len(tags)} tags where one is asked for")
    return ReadCell(tags if pool.select == "single" else tuple(sorted(tags)))


def _agreed(proposal: Sequence[str] | None, pool: Pool) -> ReadCell:
    if proposal is None:
        return ReadCell(None, "a blind review shows no proposal to agree to")
    unknown = [tag for tag in proposal if tag not in pool.tags]
    return ReadCell(None, _unknown(unknown, pool)) if unknown else ReadCell(tuple(proposal))


def _unknown(parts: Sequence[str], pool: Pool) -> str:
    near = difflib.get_close_matches(parts[0].casefold(), [tag.casefold() for tag in pool.tags], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"not in the pool: {', '.join(repr(part) for part in parts)}{hint}"
