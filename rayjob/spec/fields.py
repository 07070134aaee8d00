"""Walks from a spec model down to the field at a location, through lists, mappings and unions."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Location = Sequence[str | int]


def keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys accepted at a location, sorted; empty where any key is, or none."""
    kinds = _kinds_at(model, location)
    return sorted({name for kind in _models(kinds) for name in _fields(kind)})


def field_at(model: type[BaseModel], location: Location) -> FieldInfo | None:
    """The nearest field that a location stands in: its own, or that of the list or mapping around it."""
    for end in range(len(location), 0, -1):
        for kind in _models(_kinds_at(model, location[: end - 1])):
            found = _fields(kind).get(str(location[end - 1]))
            if found is not None:
                return found
    return None


def _kinds_at(model: type[BaseModel], location: Location) -> list[Any]:
    kinds: list[Any] = [model]
    for part in location:
        below = [inner for kind in kinds for inner in _below(kind, part)]
        kinds = below or [kind for kind in kinds if getattr(kind, "__name__", "") == part] or kinds
    return kinds


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """What the values under one key or position of a type may be."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = _fields(kind).get(str(part))
        yield from _members(field.annotation) if field is not None else ()
        return
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _members(inner[1])
    elif isinstance(part, int) and origin in (list, tuple):
        yield from _members(inner[0])


def _members(annotation: Any) -> Iterator[Any]:
    """The members of a union, the inside of Annotated, or the type itself."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _models(kinds: Sequence[Any]) -> Iterator[type[BaseModel]]:
    return (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the key that the file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
