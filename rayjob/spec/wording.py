"""Says what is wrong in a spec in the words of the person who wrote it. Turns pydantic's errors into Problems."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rayjob.spec.base import Problem
from rayjob.spec.yamltext import Path, YamlText

#: How many accepted values a message lists before it stops.
SHOWN = 12


def did_you_mean(word: str, accepted: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something close is accepted, else nothing."""
    close = difflib.get_close_matches(word, list(accepted), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def list_some(accepted: Iterable[str]) -> str:
    """The accepted values, sorted as given, the rest as `…`."""
    names = list(accepted)
    shown = ", ".join(names[:SHOWN])
    return f"{shown}, … ({len(names)} in all)" if len(names) > SHOWN else shown


def unknown(kind: str, word: str, accepted: Iterable[str]) -> str:
    """`no dimension called 'domian' (have: domain, task); did you mean 'domain'?`"""
    names = list(accepted)
    have = f" (have: {list_some(names)})" if names else " (there are none)"
    return f"no {kind} called '{word}'{have}{did_you_mean(word, names)}"


def problems_of(error: ValidationError, model: type[BaseModel], text: YamlText, base: Path) -> list[Problem]:
    """Every problem of a failed validation, with the line on which it stands."""
    return [_one(details, model, text, base) for details in error.errors(include_url=False)]


def _one(details: ErrorDetails, model: type[BaseModel], text: YamlText, base: Path) -> Problem:
    loc = _written(details["loc"], text, base)
    return text.problem((*base, *loc), _message(details, model, loc))


def _written(loc: Sequence[str | int], text: YamlText, base: Path) -> Path:
    """The part of a pydantic location that the file spells out: names of union members are not in it."""
    path: Path = ()
    for part in loc:
        candidate = (*path, part)
        if (*base, *candidate) in text.lines:
            path = candidate
    last = loc[-1] if loc else ""
    return (
        path
        if not loc or path[-1:] == (last,)
        else (*path, last)
        if isinstance(last, str) and last.isidentifier() and last not in _UNION_NAMES
        else path
    )


_UNION_NAMES = {"str", "int", "float", "bool", "list", "dict", "none", "literal"}


def _message(details: ErrorDetails, model: type[BaseModel], loc: Path) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        accepted = _keys_at(model, loc[:-1])
        key = str(loc[-1])
        return f"unknown key '{key}' (accepted: {list_some(accepted)}){did_you_mean(key, accepted)}"
    if kind == "missing":
        return "missing; it must be given"
    found = _show(details["input"])
    if kind == "literal_error":
        word = str(details["input"])
        accepted = [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        return f"found {found}; accepted: {context['expected']}{did_you_mean(word, accepted)}"
    if kind == "value_error":
        return str(context.get("error", details["msg"]))
    return f"found {found}; {_plain(details['msg'])}"


def _plain(message: str) -> str:
    """Pydantic's sentence as an instruction."""
    message = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return f"it must be {message}" if not message.startswith("it must") else message


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _keys_at(model: type[BaseModel], loc: Path) -> list[str]:
    """The keys accepted at a location: walks the model's fields down to the model that refused the key."""
    here: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and here is not None and part in here.model_fields:
            here = _model_in(here.model_fields[part].annotation)
    return sorted(field.alias or name for name, field in here.model_fields.items()) if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The spec model inside an annotation such as `tuple[X, ...]`, `dict[str, X]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
