"""What a label prompt asks for as a JSON schema, and the reading of what came back. Judges no tag: see tags.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayjob.labels.asking import AnswerError
from rayjob.labels.loose_json import LooseJsonError, join_surrogates, read_loosely, read_strict
from rayjob.labels.taxonomy import Dimension

__all__ = ["Answer", "AnswerError", "Suggestion", "answer_schema", "find_object", "parse_answer"]

#: A reply with more braces than this is not an answer with some prose around it.
_MAX_STARTS = 40


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag the model offered; `dimension` is empty where it did not say."""

    dimension: str
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as it was given, one entry per dimension it answered: pools and aliases are not applied yet."""

    values: Mapping[str, object]
    confidence: Mapping[str, float | None] = field(default_factory=dict)
    suggestions: tuple[Suggestion, ...] = ()
    issues: tuple[str, ...] = ()


def answer_schema(dims: Sequence[Dimension]) -> dict[str, object]:
    """A strict JSON schema: every key required, nothing else allowed, the pools as enums.

    It keeps to what strict modes take. Ranges and `uniqueItems` are refused by some providers, and an empty string in
    an enum by others, so parsing checks those; a single-select dimension therefore always has to name a tag.
    """
    answers = {dim.name: _dimension_schema(dim) for dim in dims}
    confidence = {dim.name: {"type": "number", "description": "from 0 to 1"} for dim in dims}
    return _strict_object(
        {
            **answers,
            "confidence": _strict_object(confidence),
            "unmapped": {"type": "array", "items": {"type": "string"}, "description": "tags the pools lack"},
        }
    )


def _strict_object(properties: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _dimension_schema(dim: Dimension) -> dict[str, object]:
    one: dict[str, object] = {"type": "string", "enum": [tag.id for tag in dim.tags]}
    return one if dim.select == "single" else {"type": "array", "items": one}


def parse_answer(text: str, dims: Sequence[Dimension]) -> Answer:
    """The answer in a reply: fences, prose, reasoning and loose JSON are read through.

    Raises AnswerError, worded for the model that is asked to repair it, where no dimension asked for is answered.
    """
    names = [dim.name for dim in dims]
    found = find_object(text, names)
    confidence, issues = _confidences(found.get("confidence"), names)
    return Answer(
        {name: found[name] for name in names if name in found},
        confidence,
        _suggestions(found.get("unmapped")),
        tuple(issues),
    )


def find_object(text: str, wanted: Collection[str]) -> dict[str, object]:
    """The first JSON object of a reply that has one of the `wanted` keys with something other than a number.

    (A number would be an inner object of confidences.) Raises AnswerError.
    """
    said = _after_reasoning(text)
    problem = "there is no JSON object in the reply"
    for start in [found.start() for found in re.finditer(r"\{", said)][:_MAX_STARTS]:
        try:
            value = _read(said, start)
        except LooseJsonError as error:
            problem = f"the reply is not valid JSON: {error}"
            continue
        if isinstance(value, dict):
            value = _folded(value)
            inside = (_folded(entry) for entry in value.values() if isinstance(entry, dict))
            for found in (value, *inside):  # what stands around it ({"labels": …, "confidence": …}) belongs to it
                if any(_is_answer(found, key) for key in wanted):
                    return {**value, **found}
        problem = f"the JSON object has none of the keys asked for ({', '.join(wanted)})"
    raise AnswerError(problem)


def _folded(value: Mapping[object, object]) -> dict[str, object]:
    return {str(key).strip().casefold(): entry for key, entry in value.items()}


def _after_reasoning(text: str) -> str:
    """What follows the model's thinking; a reply that never stopped thinking is refused."""
    said = text.rpartition("</think>")[2]
    if said.lstrip().startswith("<think>"):
        raise AnswerError("the reply ends inside its reasoning, before any JSON")
    if not said.strip():
        raise AnswerError("the reply is empty")
    return said


def _read(text: str, start: int) -> object:
    try:
        return read_strict(text, start)
    except ValueError:
        return read_loosely(text, start)


def _is_answer(value: Mapping[str, object], key: str) -> bool:
    return key in value and (isinstance(value[key], bool) or not isinstance(value[key], int | float | dict))


def _confidences(given: object, names: Sequence[str]) -> tuple[dict[str, float | None], list[str]]:
    """Numbers from 0 to 1 (a bool is none); anything else becomes None with an issue, what is absent None without."""
    if given is None:
        return dict.fromkeys(names), []
    if not isinstance(given, Mapping):
        return dict.fromkeys(names), [f"confidence: {_short(given)} is not an object of numbers"]
    found: dict[str, float | None] = {}
    issues = []
    scores = _folded(given)
    for name in names:
        score: Any = scores.get(name)
        is_number = isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1
        found[name] = float(score) if is_number else None
        if found[name] is None and score is not None:
            issues.append(f"confidence.{name}: {_short(score)} is not a number from 0 to 1")
    return found, issues


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggestions(given: object) -> tuple[Suggestion, ...]:
    """The model's own `unmapped`: bare values, or objects that name a dimension."""
    if given is None:
        return ()
    items = given if isinstance(given, list) else [given]
    return tuple(_suggestion(item) for item in items if item not in (None, "", {}, []))


def _suggestion(item: object) -> Suggestion:
    if not isinstance(item, Mapping):
        return Suggestion("", spell_value(item))
    value = item.get("value", item.get("tag", item.get("id", "")))
    return Suggestion(spell_value(item.get("dimension") or ""), spell_value(value))


def spell_value(value: object) -> str:
    """A tag as the model wrote it, in characters that a file can hold."""
    return join_surrogates(str(value))
