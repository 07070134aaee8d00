"""The folder of a review, local or s3://: review.json, the sheets, answers.jsonl and what was kept aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import ValidationError

from rayjob.review import csv_sheet, label_studio, xlsx_sheet
from rayjob.review.reading import Answered, Kept
from rayjob.review.sheet import COMMENT, ID, KEY, OTHER, REVIEWER, TEXT, Review, digest_cell, sheet_columns, sheet_rows
from rayjob.review.table import RawRow, SheetError
from rayjob.store import files

Form = Literal["csv", "xlsx", "label-studio"]
FORMS: tuple[Form, ...] = ("csv", "xlsx", "label-studio")
ANSWERS, KEPT, REVIEW = "answers.jsonl", "answers.kept.jsonl", "review.json"
_RESERVED = (KEY, ID, TEXT, COMMENT, REVIEWER, OTHER)


def write_review(folder: str, review: Review, texts: Mapping[str, str], form: Form) -> list[str]:
    """Write review.json and the sheets, one per reviewer; the addresses of what was written.

    Raises SheetError where a dimension's name is a column of ours, or a review with answers is already there.
    """
    taken = [name for name in review.pools if name.casefold() in _RESERVED]
    if taken:
        raise SheetError(f"the dimension {taken[0]!r} has the name of a sheet's own column ({', '.join(_RESERVED)})")
    if files.exists(_at(folder, ANSWERS)):
        raise SheetError(f"{folder}: holds a review with answers; name another folder")
    written = [_write(folder, REVIEW, review.model_dump_json(indent=1).encode())]
    reviewers = sorted({who for row in review.rows for who in row.reviewers}) or [""]
    for who in reviewers:
        written += _write_sheet(folder, review, texts, (form, who))
    return written


def _write_sheet(folder: str, review: Review, texts: Mapping[str, str], what: tuple[Form, str]) -> list[str]:
    form, who = what
    name = f"sheet-{_file_name(who)}" if who else "sheet"
    if form == "label-studio":
        tasks = json.dumps(label_studio.make_tasks(review, texts, who), ensure_ascii=False, indent=1).encode()
        config = label_studio.labelling_config(review).encode()
        return [_write(folder, f"{name}.tasks.json", tasks), _write(folder, "label-studio.xml", config)]
    columns, rows = sheet_columns(review), sheet_rows(review, texts, who)
    if form == "xlsx":
        return [_write(folder, f"{name}.xlsx", xlsx_sheet.write_xlsx(columns, rows, review.pools))]
    return [_write(folder, f"{name}.csv", csv_sheet.write_csv(columns, rows))]


def _file_name(who: str) -> str:
    """A reviewer's name as part of a file's; a digest tells apart those that lose a character."""
    plain = "".join(char if char.isalnum() or char in "-_" else "_" for char in who)
    return plain if plain == who else f"{plain}-{digest_cell(who)[:6]}"


def sheet_owner(review: Review, path: str) -> str:
    """Who answered a sheet that does not say: the reviewer it was written for, else the name of the file."""
    stem = PurePosixPath(path).stem
    reviewers = {who for row in review.rows for who in row.reviewers}
    return next((who for who in sorted(reviewers) if stem == f"sheet-{_file_name(who)}"), stem)


def _at(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _write(folder: str, name: str, content: bytes) -> str:
    files.write_atomic(_at(folder, name), content)
    return _at(folder, name)


def read_review(folder: str) -> Review:
    """The review in a folder. Raises SheetError where there is none, or review.json was changed into something else."""
    if not files.exists(_at(folder, REVIEW)):
        raise SheetError(f"{folder}: no {REVIEW} in this folder; `rayjob review export` makes one")
    try:
        return Review.model_validate_json(files.read_bytes(_at(folder, REVIEW)))
    except ValidationError as bad:
        raise SheetError(f"{_at(folder, REVIEW)}: not as it was written: {bad.errors()[0]['msg']}") from bad


def read_sheet(path: str) -> list[RawRow]:
    """The rows of a sheet that came back: .xlsx, .json (Label Studio's export), else CSV."""
    content, lowered = files.read_bytes(path), path.lower()
    if lowered.endswith(".json"):
        return label_studio.read_tasks(path, content)
    if lowered.endswith((".xlsx", ".xlsm")) or content[:4] == b"PK\x03\x04":
        return xlsx_sheet.read_xlsx(path, content)
    return csv_sheet.read_csv(path, content)


def read_answers(folder: str) -> list[Answered]:
    """All answers so far."""
    return [_answered(record) for record in _read_lines(_at(folder, ANSWERS))]


def read_kept(folder: str) -> list[Kept]:
    """Everything kept aside so far."""
    return [Kept(**record) for record in _read_lines(_at(folder, KEPT))]


def write_answers(folder: str, answers: Sequence[Answered], kept: Iterable[Kept]) -> None:
    """Write the answers, and add to what is kept aside what is not there yet (a sheet can be imported twice).

    Kept is written first: if the second write fails, nothing a reviewer typed is lost.
    """
    before = read_kept(folder)
    known = set(before)
    both = [*before, *dict.fromkeys(one for one in kept if one not in known)]
    _write(folder, KEPT, _lines(asdict(one) for one in both))
    _write(folder, ANSWERS, _lines(asdict(one) for one in answers))


def _lines(records: Iterable[dict[str, Any]]) -> bytes:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return text.encode("utf-8", errors="replace")


def _read_lines(path: str) -> list[dict[str, Any]]:
    if not files.exists(path):
        return []
    # Not splitlines(): a comment may hold U+2028, which JSON leaves as it is.
    return [json.loads(line) for line in files.read_bytes(path).decode().split("\n") if line]


def _answered(record: dict[str, Any]) -> Answered:
    answers = {name: tuple(tags) for name, tags in record.pop("answers").items()}
    return Answered(answers=answers, **record)
