"""From a model's answer to tags of the pools: resolved, moved or set aside as unmapped. Invents no tag."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from rayjob.labels.answer import Answer, Suggestion, spell_value
from rayjob.labels.taxonomy import Dimension, Taxonomy

Mode = Literal["aliases", "exact"]
LabelValue = str | list[str]

#: Ways of saying that nothing applies.
NOTHING = frozenset({"", "none", "n/a", "na", "null", "nil", "-", "empty", "not-applicable"})


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A value outside the pools: used as a tag (violation) or offered as a new one (suggestion)."""

    dimension: str
    value: str
    kind: Literal["violation", "suggestion"]

    def to_dict(self) -> dict[str, str]:
        """One entry of the column `unmapped`."""
        return {"dimension": self.dimension, "value": self.value, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class Canonicalized:
    """A value that stood for a tag of the pools: an alias, another spelling, or a tag of another dimension."""

    dimension: str
    value: str
    to_dimension: str
    to: str

    def to_dict(self) -> dict[str, str]:
        """One entry of the column `canonicalized`."""
        return {"dimension": self.dimension, "value": self.value, "to_dimension": self.to_dimension, "to": self.to}


@dataclass(frozen=True, slots=True)
class Resolved:
    """An answer in tags. `moves` are (dimension, tag) that belong to dimensions another call labels."""

    labels: dict[str, LabelValue]
    confidence: dict[str, float | None]
    unmapped: tuple[Unmapped, ...] = ()
    canonicalized: tuple[Canonicalized, ...] = ()
    issues: tuple[str, ...] = ()
    moves: tuple[Canonicalized, ...] = ()


def is_missing(dimension: str, found: Resolved) -> bool:
    """Whether the answer said nothing of the dimension."""
    return _missing(dimension) in found.issues


def _missing(dimension: str) -> str:
    return f"Missing: {dimension}"


def tag_of(item: object) -> object:
    """The tag in an answer that says it as an object, {"id": …, "confidence": …}; anything else as it is."""
    keys = ("value", "tag", "id", "name") if isinstance(item, Mapping) else ()
    return next((item[key] for key in keys if isinstance(item.get(key), str)), item)  # type: ignore[attr-defined, index]


def squash(value: str) -> str:
    """One spelling for all: `Data_Structures`, `data structures` and `data-structures` are the same tag."""
    return re.sub(r"[\s_-]+", "-", value.strip().casefold()).strip("-")


def resolve(answer: Answer, dims: Sequence[Dimension], taxonomy: Taxonomy, mode: Mode = "aliases") -> Resolved:
    """The tags of an answer, dimension by dimension.

    "aliases": exact id, then alias of that dimension, then the one tag of another dimension (moved where that takes
    several or has none), else unmapped. "exact": the id is in the pool or it is unmapped; repeats stay.
    """
    if mode == "exact":
        return _check_pools(answer, dims)
    return _Resolver(_index(taxonomy), {dim.name: dim for dim in dims}).resolve(answer)


def empty_label(dim: Dimension) -> LabelValue:
    """What a dimension holds where nothing applies."""
    return "" if dim.select == "single" else []


def add_tag(labels: dict[str, LabelValue], dim: Dimension, tag: str) -> bool:
    """Adds a tag where the dimension has room for it; whether it stands there afterwards."""
    current = labels.get(dim.name, empty_label(dim))
    if isinstance(current, list):
        if tag not in current:
            labels[dim.name] = [*current, tag]
        return True
    if not current:
        labels[dim.name] = tag
    return current in ("", tag)


# -- exact ----------------------------------------------------------------------------------------------------------


def _check_pools(answer: Answer, dims: Sequence[Dimension]) -> Resolved:
    labels: dict[str, LabelValue] = {}
    issues: list[str] = []
    violations: list[Unmapped] = []
    for dim in dims:
        if dim.name not in answer.values:
            issues.append(_missing(dim.name))
        values = _as_list(answer.values.get(dim.name, []), dim)
        valid = [value for value in values if value in dim.pool]
        for value in values:
            if value not in dim.pool:
                issues.append(f"{dim.name}: '{value}' not in pool")
                violations.append(Unmapped(dim.name, value, "violation"))
        labels[dim.name] = valid if dim.select == "multi" else "".join(valid[:1])
    offered = [Unmapped(offer.dimension, offer.value, "suggestion") for offer in answer.suggestions]
    confidence = {dim.name: answer.confidence.get(dim.name) for dim in dims}
    return Resolved(labels, confidence, (*offered, *violations), (), tuple(issues))


def _as_list(value: object, dim: Dimension) -> list[str]:
    """A bare value is a list of one; an empty single-select answer is no answer and no violation."""
    if dim.select == "single":
        return [] if value in (None, "", [], False) else [spell_value(value)]
    return [spell_value(item) for item in value] if isinstance(value, list) else [spell_value(value)]


# -- aliases --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Index:
    """Every spelling of every tag, per dimension and the other way round."""

    dimensions: Mapping[str, Dimension]
    tags: Mapping[str, Mapping[str, str]]
    homes: Mapping[str, frozenset[tuple[str, str]]]

    def home(self, spelling: str, away_from: str) -> tuple[str, str] | None:
        """The one (dimension, tag) outside `away_from` that is spelt so."""
        homes = [home for home in self.homes.get(spelling, ()) if home[0] != away_from]
        return homes[0] if len(homes) == 1 else None


@lru_cache(maxsize=8)
def _index(taxonomy: Taxonomy) -> _Index:
    tags: dict[str, dict[str, str]] = {}
    homes: dict[str, set[tuple[str, str]]] = {}
    for dim in taxonomy.dimensions.values():
        spellings = tags.setdefault(dim.name, {})
        for tag in dim.tags:
            spellings.setdefault(squash(tag.id), tag.id)
        for tag in dim.tags:  # ids first: an alias that is another tag's id means that tag
            for alias in (*tag.aliases, tag.name):
                spellings.setdefault(squash(alias), tag.id)
        for spelling, tag_id in spellings.items():
            homes.setdefault(spelling, set()).add((dim.name, tag_id))
    return _Index(taxonomy.dimensions, tags, {key: frozenset(found) for key, found in homes.items()})


@dataclass(slots=True)
class _Resolver:
    index: _Index
    dims: Mapping[str, Dimension]
    labels: dict[str, LabelValue] = field(default_factory=dict)
    issues: list[str] = field(default_factory=list)
    canonicalized: list[Canonicalized] = field(default_factory=list)
    violations: list[Unmapped] = field(default_factory=list)
    strays: list[Canonicalized] = field(default_factory=list)
    moves: list[Canonicalized] = field(default_factory=list)

    def resolve(self, answer: Answer) -> Resolved:
        for name, dim in self.dims.items():
            self.labels[name] = empty_label(dim)
            if name not in answer.values:
                self.issues.append(_missing(name))
            for value in self.spread(answer.values.get(name), dim):
                self.take(value, dim)
        for stray in self.strays:
            self.settle(stray)
        offers = [Unmapped(o.dimension, o.value, "suggestion") for o in answer.suggestions if self.is_news(o)]
        unmapped = tuple(dict.fromkeys([*offers, *self.violations]))
        return Resolved(
            self.labels, self.confidence(answer), unmapped, tuple(dict.fromkeys(self.canonicalized)),
            (*self.issues, *answer.issues), tuple(dict.fromkeys(self.moves)),
        )  # fmt: skip

    def confidence(self, answer: Answer) -> dict[str, float | None]:
        """A dimension without an answer is trusted not at all, whatever the model says of it."""
        return {name: answer.confidence.get(name) if name in answer.values else 0.0 for name in self.dims}

    def spread(self, value: object, dim: Dimension) -> list[str]:
        """The values of an answer; one string with commas is several unless it is spelt like a tag."""
        items = [tag_of(item) for item in (value if isinstance(value, list) else [value])]
        texts = [spell_value(item) for item in items if item is not None]
        if isinstance(items[0] if items else None, Mapping):
            return texts
        if len(texts) == 1 and "," in texts[0] and squash(texts[0]) not in self.index.tags.get(dim.name, {}):
            texts = texts[0].split(",")
        return [text.strip() for text in texts]

    def take(self, value: str, dim: Dimension) -> None:
        known = self.index.tags.get(dim.name, {})
        spelling = squash(value)
        tag = value if value in dim.pool else known.get(spelling)
        if tag is not None:
            self.place(value, tag, dim)
        elif spelling in NOTHING:
            return
        elif home := self.index.home(spelling, dim.name):
            self.strays.append(Canonicalized(dim.name, value, *home))
        else:
            self.violate(dim.name, value)

    def place(self, value: str, tag: str, dim: Dimension) -> None:
        if not add_tag(self.labels, dim, tag):
            self.issues.append(f"{dim.name}: takes one tag, '{tag}' came after '{self.labels[dim.name]}'")
        elif value != tag:
            self.canonicalized.append(Canonicalized(dim.name, value, dim.name, tag))

    def settle(self, stray: Canonicalized) -> None:
        """A tag of another dimension, once this answer is placed: home where it is asked here, else handed on."""
        if stray.to_dimension not in self.dims:
            self.moves.append(stray)
        elif add_tag(self.labels, self.dims[stray.to_dimension], stray.to):
            self.canonicalized.append(stray)
        else:
            self.violate(stray.dimension, stray.value)

    def is_news(self, offer: Suggestion) -> bool:
        """Whether an offered tag is neither "none" nor one that the answer holds already."""
        spelling = squash(offer.value)
        homes = self.index.homes.get(spelling, ())
        return spelling not in NOTHING and not any(tag in self.labels.get(dim, ()) for dim, tag in homes)

    def violate(self, dimension: str, value: str) -> None:
        self.issues.append(f"{dimension}: '{value}' not in pool")
        self.violations.append(Unmapped(dimension, value, "violation"))
