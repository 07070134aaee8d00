"""Label Studio: its labelling config and tasks, and its JSON export read back as rows. Calls no server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rayjob.review.pools import NONE
from rayjob.review.sheet import COMMENT, DRAFT, ID, KEY, OTHER, PROPOSED, REVIEWER, SKIPPED, TEXT, Review, ReviewRow
from rayjob.review.table import RawRow, SheetError

_OTHER_FIELD = "other_tags"


def labelling_config(review: Review) -> str:
    """The project's labelling interface: the text, one block of choices per dimension, other tags and a comment."""
    view = Element("View")
    SubElement(view, "Text", name=TEXT, value="$text")
    for name, pool in review.pools.items():
        SubElement(view, "Header", value=name)
        choice = "single" if pool.select == "single" else "multiple"
        block = SubElement(view, "Choices", name=name, toName=TEXT, choice=choice, showInline="true")
        for tag in (*pool.tags, NONE):
            SubElement(block, "Choice", value=tag)
    for name, hint in ((_OTHER_FIELD, "Tags that are missing from the lists"), (COMMENT, "Comment")):
        SubElement(view, "TextArea", name=name, toName=TEXT, placeholder=hint, editable="true", rows="2")
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def make_tasks(review: Review, texts: Mapping[str, str], reviewer: str = "") -> list[dict[str, object]]:
    """Tasks to import; unless the review is blind, the run's labels stand in them as a prediction."""
    return [
        _task(review, row, texts.get(row.uid, ""), reviewer)
        for row in review.rows
        if not reviewer or reviewer in row.reviewers
    ]


def _task(review: Review, row: ReviewRow, text: str, reviewer: str) -> dict[str, object]:
    data = {KEY: row.key, ID: row.id, TEXT: _encodable(text), REVIEWER: reviewer}
    if review.blind:
        return {"data": data}
    result = [
        {"from_name": name, "to_name": TEXT, "type": "choices", "value": {"choices": list(tags) or [NONE]}}
        for name, tags in row.proposal.items()
        if name in review.pools and set(tags) <= set(review.pools[name].tags)
    ]
    shown = {PROPOSED + name: ", ".join(tags) or NONE for name, tags in row.proposal.items()}
    return {"data": {**data, **shown}, "predictions": [{"model_version": "run", "result": result}]}


def _encodable(text: str) -> str:
    # Its database refuses NUL, JSON over HTTP lone surrogates.
    return text.replace("\x00", "␀").encode("utf-8", errors="replace").decode("utf-8")


def read_tasks(file: str, content: bytes) -> list[RawRow]:
    """The rows of a JSON export, one per annotation; `row` is the task's number in the file.

    A skipped task is a row with a note in its comment and no answers. Raises SheetError for other JSON.
    """
    try:
        tasks = json.loads(content)
    except ValueError as bad:
        raise SheetError(f"{file}: not JSON ({bad}); accepted: Label Studio's JSON export") from bad
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise SheetError(f"{file}: not Label Studio's JSON export; accepted: a list of tasks with data and annotations")
    return [row for number, task in enumerate(tasks, start=1) for row in _read_task(file, number, task)]


def _read_task(file: str, number: int, task: dict[str, Any]) -> Iterator[RawRow]:
    data = task["data"] if isinstance(task["data"], dict) else {}
    shown = {name: str(value) for name, value in data.items() if name == KEY}
    # A skipped task and a draft nobody submitted can hold half an answer: kept to be read, not counted.
    given = [(SKIPPED if one.get("was_cancelled") else "", one) for one in task.get("annotations") or []]
    drafts = [(DRAFT, one) for one in task.get("drafts") or [] if isinstance(one, dict)]
    for prefix, one in [*given, *drafts]:
        who = {**shown, REVIEWER: _who(one, data)}
        cells = who | {f"{prefix}{name}": value for name, value in _answers(one.get("result") or []).items()}
        yield RawRow(file, number, {name: value for name, value in cells.items() if value.strip()})


def _who(annotation: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The annotator: an address or a number in the export; else the reviewer the task was made for."""
    by = annotation.get("completed_by") or annotation.get("user")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return str(data.get(REVIEWER) or by or "")


def _answers(result: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for item in result:
        value = item.get("value") or {}
        # A control that somebody added to the project (a rating, a span) comes as the JSON of its value.
        given = value.get("choices", value.get("text", json.dumps(value, ensure_ascii=False)))
        name = OTHER if item.get("from_name") == _OTHER_FIELD else str(item.get("from_name", ""))
        found.setdefault(name, []).extend(map(str, given if isinstance(given, list) else [given]))
    return {name: _join(name, values) for name, values in found.items()}


def _join(name: str, values: Sequence[str]) -> str:
    """Typed text as it is; choices as a cell. NONE beside a tag is left for the reader of cells to refuse."""
    return "\n".join(values) if name in (COMMENT, OTHER) else ", ".join(values)
