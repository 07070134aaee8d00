"""What is doubtful in a taxonomy that parses: names that clash, descriptions a model cannot use. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rayjob.labels.tags import squash
from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy

#: Longest description in characters: each is read in every prompt of its dimension, for every row.
MAX_DESCRIPTION = 160

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One doubt. An error makes some answer ambiguous or unreadable; a warning is worth a look."""

    severity: Severity
    dimension: str
    tag: str
    message: str

    def __str__(self) -> str:
        place = f"{self.dimension}.{self.tag}" if self.tag else self.dimension
        return f"{self.severity}: {place}: {self.message}"


def lint(taxonomy: Taxonomy) -> list[Finding]:
    """All findings, errors first, then by dimension and tag. Spellings are compared as answers are (see `squash`)."""
    dimensions = list(taxonomy.dimensions.values())
    found = [*_clashing_ids(dimensions), *_foreign_ids(dimensions)]
    for dimension in dimensions:
        found += [*_shared_aliases(dimension), *_descriptions(dimension)]
    return sorted(set(found))


def _clashing_ids(dimensions: Iterable[Dimension]) -> Iterator[Finding]:
    """A bare tag in `unmapped`, or one in the wrong dimension, must have one home."""
    first: dict[str, tuple[str, str]] = {}
    for dimension, tag in _tags(dimensions):
        home = first.setdefault(squash(tag.id), (dimension.name, tag.id))
        if home != (dimension.name, tag.id):
            yield Finding("error", dimension.name, tag.id, f"the same id as {home[0]}.{home[1]}; rename one")


def _foreign_ids(dimensions: list[Dimension]) -> Iterator[Finding]:
    owners = {squash(tag.id): (dimension.name, tag.id) for dimension, tag in _tags(dimensions)}
    for dimension, tag in _tags(dimensions):
        for alias in tag.aliases:
            owner = owners.get(squash(alias))
            if owner is None or owner == (dimension.name, tag.id):
                continue
            if owner[0] == dimension.name:
                yield Finding("error", dimension.name, tag.id, f"the alias '{alias}' is the id of another tag here")
            else:
                message = f"the alias '{alias}' is the id of {owner[0]}.{owner[1]}; in this dimension it means this tag"
                yield Finding("warning", dimension.name, tag.id, message)


def _shared_aliases(dimension: Dimension) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for tag in dimension.tags:
        for alias in tag.aliases:
            owner = first.setdefault(squash(alias), tag.id)
            if not squash(alias):
                yield Finding("error", dimension.name, tag.id, "an alias is empty")
            elif owner != tag.id:
                yield Finding("error", dimension.name, tag.id, f"the alias '{alias}' is also one of {owner}")


def _descriptions(dimension: Dimension) -> Iterator[Finding]:
    if not dimension.description:
        yield Finding("warning", dimension.name, "", "the dimension has no description")
    for tag in dimension.tags:
        length = len(tag.description)
        if not length:
            yield Finding("error", dimension.name, tag.id, "no description: models choose by it")
        elif length > MAX_DESCRIPTION:
            message = f"the description has {length} characters; {MAX_DESCRIPTION} is the most that pays"
            yield Finding("warning", dimension.name, tag.id, message)
        if "\n" in tag.description:
            yield Finding("warning", dimension.name, tag.id, "the description has more than one line")


def _tags(dimensions: Iterable[Dimension]) -> Iterator[tuple[Dimension, Tag]]:
    return ((dimension, tag) for dimension in dimensions for tag in dimension.tags)
