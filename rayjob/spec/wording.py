"""Says what is wrong in a spec in the words of the person who wrote it. Turns pydantic's errors into Problems."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rayjob.spec.base import Problem
from rayjob.spec.fields import field_at, keys_at
from rayjob.spec.yamltext import Path, YamlText

#: How many accepted values a message lists before it stops.
SHOWN = 16
#: Fields whose wrong value may be a key pasted in: it is not repeated.
SECRET = ("api_key_env", "api_key", "params")


def did_you_mean(word: str, accepted: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something close is accepted, else nothing."""
    close = difflib.get_close_matches(word, list(accepted), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def list_some(accepted: Iterable[str]) -> str:
    """The accepted values, in the order given, the rest as `…`."""
    names = list(accepted)
    shown = ", ".join(names[:SHOWN])
    return f"{shown}, … ({len(names)} in all)" if len(names) > SHOWN else shown


def unknown(kind: str, word: object, accepted: Iterable[str], where: str = "") -> str:
    """`no dimension called 'domian' (have: domain, task); did you mean 'domain'?`"""
    names = list(accepted)
    have = f" (have: {list_some(names)})" if names else " (there are none)"
    return f"no {kind} called '{word}'{where}{have}{did_you_mean(str(word), names)}"


def type_of(value: object) -> str:
    """What a value is, in YAML's words."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return show_value(value)


def show_value(value: object) -> str:
    """A value as it stands in YAML, shortened."""
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def problems_of(error: ValidationError, model: type[BaseModel], text: YamlText, base: Path) -> list[Problem]:
    """Every problem of a failed validation, with the line on which it stands; one for each place."""
    found = [(_written(details["loc"], text, base), details) for details in error.errors(include_url=False)]
    found = [one for one in found if not _follows(one, found, model)]
    problems: list[Problem] = []
    for (site, _), group in groupby(found, key=lambda one: _site(one[0], one[1]["loc"])):
        members = list(group)
        deeper = [(path, details) for path, details in members if len(path) > len(site)]
        if deeper and isinstance(text.at((*base, *site)), dict | list):
            members = deeper  # a mapping or a list was meant to be the alternative that is one
        problems += _merged(members, model, text, base)
    return problems


_Found = tuple[Path, ErrorDetails]


def _follows(one: _Found, found: Sequence[_Found], model: type[BaseModel]) -> bool:
    """Whether a problem goes with another: a list whose entries are wrong, a key missing because it is misspelt."""
    path, details = one
    if details["type"] == "too_short":
        return any(other[: len(path)] == path and len(other) > len(path) for other, _ in found)
    if details["type"] != "missing":
        return False
    misspelt = (
        loc
        for other, said in found
        if said["type"] == "extra_forbidden" and other[:-1] == path[:-1]
        for loc in [said["loc"]]
    )
    return any(f"'{path[-1]}'" in did_you_mean(str(loc[-1]), keys_at(model, loc[:-1])) for loc in misspelt)


def _site(written: Path, loc: Sequence[str | int]) -> tuple[Path, bool]:
    """Where the file leaves a location behind: errors of one union share the place of the union."""
    same = 0
    while same < len(written) and written[same] == loc[same]:
        same += 1
    return (written[:same], True) if same < len(loc) and len(written) < len(loc) else (written, False)


def _written(loc: Sequence[str | int], text: YamlText, base: Path) -> Path:
    """The part of a location that a file can spell: without the names of a union's members."""
    path: Path = ()
    for index, part in enumerate(loc):
        last_key = index == len(loc) - 1 and isinstance(text.at((*base, *path)), dict) and not _is_member(part)
        if text.has((*base, *path, part)) or last_key:
            path = (*path, part)
    return path


def _is_member(part: str | int) -> bool:
    """Whether pydantic made up this part of a location: `str`, `list[str]`, `UseSpec`, `literal['a','b']`."""
    return isinstance(part, str) and (not part.isidentifier() or part in _TYPES or part[:1].isupper())


_TYPES = {"str", "int", "float", "bool", "list", "dict", "tuple", "none", "literal"}


def _merged(members: Sequence[_Found], model: type[BaseModel], text: YamlText, base: Path) -> list[Problem]:
    """One problem for each place; what alternatives of a union would have accepted is joined by `or`."""
    problems: list[Problem] = []
    for path in dict.fromkeys(path for path, _ in members):
        here = [details for where, details in members if where == path]
        whole = [said for details in here if (said := _whole(details, model, path))]
        if whole:
            problems += [text.problem((*base, *path), said) for said in dict.fromkeys(whole)]
            continue
        accepted = ", or ".join(dict.fromkeys(_accepted(details, model, path) for details in here))
        found = "" if set(path) & set(SECRET) else f"found {show_value(here[0]['input'])}; "
        guess = next((said for details in here if (said := _guess(details))), "")
        problems.append(text.problem((*base, *path), f"{found}accepted: {accepted}{guess}"))
    return problems


def _whole(details: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    """A message that needs no `found … accepted …`; empty where it does."""
    kind = details["type"]
    if kind == "extra_forbidden":
        accepted, key = keys_at(model, details["loc"][:-1]), str(path[-1])
        return f"unknown key '{key}' (accepted: {list_some(accepted)}){did_you_mean(key, accepted)}"
    if kind == "missing":
        about = _about(model, details["loc"])
        return f"missing; it must be given{f': {about}' if about else ''}"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    return ""


def _about(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    field = field_at(model, loc)
    return (field.description or "").rstrip(".") if field else ""


def _guess(details: ErrorDetails) -> str:
    if details["type"] != "literal_error":
        return ""
    return did_you_mean(str(details["input"]), _choices(details.get("ctx", {})))


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(",")]


def _accepted(details: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("model_type", "model_attributes_type"):
        keys = keys_at(model, details["loc"])
        return f"a mapping with the keys {list_some(keys)}" if keys else "a mapping"
    if kind == "string_pattern_mismatch":
        return f"{_about(model, details['loc'])} (pattern {context['pattern']})"
    say = ACCEPTED.get(kind)
    return say(context) if say else details["msg"].removeprefix("Input should be ")


ACCEPTED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda _: "a text (quotes make a text of anything)",
    "string_too_short": lambda _: "a text that is not empty",
    "int_type": lambda _: "a whole number",
    "int_parsing": lambda _: "a whole number",
    "int_from_float": lambda _: "a whole number",
    "float_type": lambda _: "a number",
    "float_parsing": lambda _: "a number",
    "bool_type": lambda _: "true or false",
    "bool_parsing": lambda _: "true or false",
    "list_type": lambda _: "a list",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "a mapping",
    "mapping_type": lambda _: "a mapping",
    "too_short": lambda context: f"a list of {context['min_length']} or more",
    "greater_than": lambda context: f"more than {context['gt']:g}",
    "greater_than_equal": lambda context: f"at least {context['ge']:g}",
    "less_than": lambda context: f"less than {context['lt']:g}",
    "less_than_equal": lambda context: f"at most {context['le']:g}",
    "literal_error": lambda context: ", ".join(_choices(context)),
}
