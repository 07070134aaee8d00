"""The taxonomy: dimensions and their pools of tags, parsed from YAML texts. Reads no files, judges no wording."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from rayjob.spec.base import Problem, SpecModel
from rayjob.spec.located import Located, Where, as_mapping, load_located

Select = Literal["single", "multi"]


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of a pool. `extra` holds what its dimension declares beyond the common keys, JSON-able."""

    id: str
    name: str
    description: str
    aliases: tuple[str, ...] = ()
    subcategory: str = ""
    extra: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A question with a closed pool of tags; `principle` is what an annotator must know to answer it."""

    name: str
    description: str
    select: Select
    tags: tuple[Tag, ...]
    title: str = ""
    principle: str = ""
    _by_id: dict[str, Tag] = field(init=False, repr=False, compare=False)
    _pool: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {tag.id: tag for tag in self.tags})
        object.__setattr__(self, "_pool", frozenset(self._by_id))

    @property
    def pool(self) -> frozenset[str]:
        """The ids of all tags."""
        return self._pool

    def tag(self, tag_id: str) -> Tag:
        """The tag with this id; raises KeyError where the pool has none."""
        return self._by_id[tag_id]


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All dimensions by name, in the order in which they are asked. `hash` changes with anything a model may read."""

    dimensions: Mapping[str, Dimension] = field(hash=False)
    hash: str = ""

    @classmethod
    def of(cls, dimensions: Sequence[Dimension]) -> Taxonomy:
        """A taxonomy of these dimensions, in this order."""
        return cls({dimension.name: dimension for dimension in dimensions}, _digest(dimensions))


def _digest(dimensions: Sequence[Dimension]) -> str:
    """64 hex digits over everything but the files' names and layout."""
    content = [
        [d.name, d.title, d.description, d.principle, d.select]
        + [[t.id, t.name, t.description, t.aliases, t.subcategory, dict(t.extra)] for t in d.tags]
        for d in dimensions
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class _TagFile(SpecModel):
    """One entry of `tags`; keys beyond these must be declared in the dimension's `extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    id: str = Field(min_length=1)
    name: str = ""
    description: str = ""
    aliases: list[str] = Field(default_factory=list)
    subcategory: str = ""


class _DimensionFile(SpecModel):
    """One file of the taxonomy's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dimension: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    order: int = 0
    title: str = ""
    description: str = ""
    principle: str = ""
    select: Select
    extra: list[str] = Field(default_factory=list)
    tags: list[_TagFile] = Field(min_length=1)


def is_dimension_file(name: str) -> bool:
    """Whether this file of a taxonomy's folder is a dimension: YAML, and not `rules.yaml` or `rules-….yaml`."""
    base = name.rsplit("/", 1)[-1]
    stem, dot, ending = base.rpartition(".")
    return bool(dot) and ending in ("yaml", "yml") and stem != "rules" and not stem.startswith(("rules-", "."))


def parse_taxonomy(files: Mapping[str, str]) -> tuple[Taxonomy, list[Problem]]:
    """The taxonomy in these files ({name: YAML text}) and everything that is wrong with them, with file and line.

    Dimensions stand by their `order`, then by name. A file with a problem still gives what could be read of it,
    so that cross-checks elsewhere do not repeat its problems; rules files and other endings are passed over.
    """
    problems: list[Problem] = []
    read: dict[str, tuple[int, Dimension]] = {}
    for file in sorted(filter(is_dimension_file, files)):
        found = load_located(files[file], file)
        shape = _shape(found)
        if shape is not None and shape.dimension in read:
            found.complain(("dimension",), f"{shape.dimension!r} is already described in another file")
        elif shape is not None:
            read[shape.dimension] = (shape.order, _dimension(shape, found))
        problems += found.problems
    if not read and not problems:
        problems.append(Problem("taxonomy", 0, "", "no dimension files (one .yaml a dimension is expected)"))
    ordered = [dimension for _, dimension in sorted(read.values(), key=lambda entry: (entry[0], entry[1].name))]
    return Taxonomy.of(ordered), sorted(set(problems))


def _shape(found: Located) -> _DimensionFile | None:
    mapping = as_mapping(found)
    if mapping is None:
        return None
    try:
        return _DimensionFile.model_validate(mapping)
    except ValidationError as error:
        for detail in error.errors():
            where: Where = detail["loc"]
            if detail["type"] == "extra_forbidden":
                found.complain(where, f"unknown key {_accepted(str(where[-1]), list(_DimensionFile.model_fields))}")
            else:
                found.complain(where, _say(detail["type"], detail["msg"], detail["input"]))
        return None


#: How pydantic's words are said to whoever edits the YAML.
_WORDS = {
    "missing": "this key is missing",
    "string_type": "expected text",
    "list_type": "expected a list",
    "int_type": "expected a whole number",
    "model_type": "expected keys and values (id, name, description, aliases)",
    "model_attributes_type": "expected keys and values (id, name, description, aliases)",
}


def _say(kind: str, message: str, value: object) -> str:
    said = _WORDS.get(kind, message[:1].lower() + message[1:])
    quote = ' (quote it: "no", "on" and 1.0 are not text to YAML)' if kind == "string_type" else ""
    return (
        f"{said}, found {value!r}{quote}"
        if isinstance(value, str | int | float | bool) and kind != "extra_forbidden"
        else said
    )


def _accepted(key: str, have: list[str]) -> str:
    near = difflib.get_close_matches(key, have, n=1)
    return f"(have: {', '.join(have)})" + (f"; did you mean {near[0]!r}?" if near else "")


def _dimension(shape: _DimensionFile, found: Located) -> Dimension:
    tags: dict[str, Tag] = {}
    for index, entry in enumerate(shape.tags):
        where: Where = ("tags", index)
        for key in sorted(entry.model_extra or {}):
            if key not in shape.extra:
                accepted = _accepted(key, [*_TagFile.model_fields, *shape.extra])
                found.complain((*where, key), f"unknown key of a tag {accepted}, or declare it under `extra`")
        if entry.id in tags:
            found.complain((*where, "id"), f"the tag {entry.id!r} stands twice in this dimension")
        elif entry.id != entry.id.strip():
            found.complain((*where, "id"), f"the id {entry.id!r} begins or ends with a space")
        tags.setdefault(entry.id, _tag(entry))
    return Dimension(
        shape.dimension, shape.description.strip(), shape.select, tuple(tags.values()), shape.title or shape.dimension,
        shape.principle.strip(),
    )  # fmt: skip


def _tag(entry: _TagFile) -> Tag:
    aliases = tuple(dict.fromkeys(entry.aliases))
    extra = dict(sorted((entry.model_extra or {}).items()))
    return Tag(entry.id, entry.name or entry.id, entry.description.strip(), aliases, entry.subcategory, extra)
