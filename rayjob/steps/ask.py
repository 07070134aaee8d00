"""The ask step: labels of the chosen rows, from people's sheet or from fields that hold the truth. Reads no file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayjob.labels.csvtext import decode_csv, find_delimiter
from rayjob.labels.tags import LabelValue, squash
from rayjob.labels.taxonomy import Dimension

Row = Mapping[str, Any]

#: Columns of the sheet before those of the dimensions.
UID, TEXT = "uid", "text"
_SEPARATOR = re.compile(r"[;,|\n]")
_MOST_CHARS = 30_000  # a spreadsheet cell holds 32,767


@dataclass(frozen=True, slots=True, order=True)
class SheetProblem:
    """One cell a person must mend: where, what stands there, what would be accepted."""

    file: str
    row: int
    column: str
    value: str
    accepted: str

    def __str__(self) -> str:
        return f"{self.file}: row {self.row}, column {self.column}: {self.value!r} is not {self.accepted}"


@dataclass(frozen=True, slots=True)
class Answered:
    """Labels by uid and dimension, what is wrong, and which asked uids are still open (a cell empty or wrong)."""

    labels: Mapping[str, Mapping[str, LabelValue]]
    problems: tuple[SheetProblem, ...] = ()
    open: tuple[str, ...] = ()


def write_sheet(rows: Sequence[Row], dims: Sequence[Dimension]) -> bytes:
    """The CSV that goes out: one line a row, its text, a cell a dimension, empty where no label was accepted.

    UTF-8 marked for Excel.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([UID, TEXT, *(dim.name for dim in dims)])
    for row in rows:
        shown = str(row.get("transcript") or row.get("query") or "")[:_MOST_CHARS]
        given = json.loads(row.get("given") or "{}").get("labels", {})
        writer.writerow([row["uid"], _defuse(shown), *(_cell(given.get(dim.name)) for dim in dims)])
    return text.getvalue().encode("utf-8-sig", errors="replace")


def _cell(label: LabelValue | None) -> str:
    """A label as people write it; empty where there is none yet."""
    if label is None or isinstance(label, str):
        return label or ""
    return "; ".join(label) or "none"


def read_sheet(file: str, content: bytes, asked: Sequence[str], dims: Sequence[Dimension]) -> Answered:
    """The CSV that came back: comma, semicolon or tab; every cell checked against its pool."""
    reader = _Reader(file, dims, frozenset(asked))
    lines = _parse(content)
    if reader.check_header(lines[0] if lines else []):
        for number, line in enumerate(lines[1:], start=2):
            reader.read(number, line)
    return reader.answered(asked)


def read_truth(rows: Sequence[Row], fields: Mapping[str, str], dims: Sequence[Dimension]) -> Answered:
    """Labels that stand in the records' metadata: `fields` names the field of each dimension."""
    labels: dict[str, dict[str, LabelValue]] = {}
    problems: list[SheetProblem] = []
    for number, row in enumerate(rows):
        metadata = row.get("metadata") or {}
        known = json.loads(metadata) if isinstance(metadata, str) else metadata
        found: dict[str, LabelValue] = {}
        for dim in dims:
            value = known.get(fields[dim.name])
            wrong = _take(found, dim, value if isinstance(value, list) else [] if value is None else [value])
            if wrong is not None:
                problems.append(SheetProblem(str(row["uid"]), number, fields[dim.name], wrong, _accepted(dim)))
        labels[str(row["uid"])] = found
    missing = tuple(uid for uid, found in labels.items() if len(found) < len(dims))
    return Answered({uid: found for uid, found in labels.items() if len(found) == len(dims)}, tuple(problems), missing)


@dataclass
class _Reader:
    """One pass over a sheet."""

    file: str
    dims: Sequence[Dimension]
    asked: frozenset[str]
    header: list[str] = field(default_factory=list)
    labels: dict[str, dict[str, LabelValue]] = field(default_factory=dict)
    problems: list[SheetProblem] = field(default_factory=list)

    def check_header(self, header: list[str]) -> bool:
        self.header = [cell.strip() for cell in header]
        needed = [UID, *(dim.name for dim in self.dims)]
        missing = [name for name in needed if name not in self.header]
        for name in missing:
            self._add(1, name, ", ".join(self.header), f"a header with the column {name!r}")
        return not missing

    def read(self, number: int, line: list[str]) -> None:
        cells = dict(zip(self.header, line, strict=False))
        uid = cells.get(UID, "").strip()
        if not any(cell.strip() for cell in line):
            return
        if uid not in self.asked:
            self._add(number, UID, uid, "one of the rows that were asked about; leave this column as it went out")
            return
        found = self.labels.setdefault(uid, {})
        for dim in self.dims:
            self._read_cell(number, dim, cells.get(dim.name, ""), found)

    def _read_cell(self, number: int, dim: Dimension, cell: str, found: dict[str, LabelValue]) -> None:
        before = found.get(dim.name)
        parts = _SEPARATOR.split(cell) if dim.select == "multi" else [cell]
        wrong = _take(found, dim, [part.strip() for part in parts if part.strip()])
        if wrong is not None:
            self._add(number, dim.name, wrong, _accepted(dim))
        elif before is not None and found[dim.name] != before:
            self._add(number, dim.name, cell, f"what another line says about the same row: {before!r}")

    def _add(self, row: int, column: str, value: str, accepted: str) -> None:
        self.problems.append(SheetProblem(self.file, row, column, value, accepted))

    def answered(self, asked: Sequence[str]) -> Answered:
        whole = {uid: found for uid, found in self.labels.items() if len(found) == len(self.dims)}
        still = tuple(uid for uid in asked if uid not in whole)
        return Answered(whole, tuple(sorted(self.problems)), still)


#: What a person writes into a cell of a multi-select dimension to say that no tag fits.
NOTHING = frozenset({"none", "-", "[]"})


def _take(found: dict[str, LabelValue], dim: Dimension, values: Sequence[object]) -> str | None:
    """Put the tags into `found`; nothing where there are none. Returns the first value that is none of the pool's."""
    if not values:
        return None
    if dim.select == "multi" and len(values) == 1 and str(values[0]).lower() in NOTHING:
        found[dim.name] = []
        return None
    known = _spellings(dim)
    for value in values:
        if squash(str(value)) not in known:
            return str(value)
    tags = list(dict.fromkeys(known[squash(str(value))] for value in values))
    if dim.select == "single" and len(tags) > 1:
        return str(values)
    found[dim.name] = tags[0] if dim.select == "single" else sorted(tags)
    return None


def _spellings(dim: Dimension) -> dict[str, str]:
    """Every spelling of every tag; where two tags share one, ids win over names, names over aliases."""
    known: dict[str, str] = {}
    for spelled in (lambda tag: (tag.id,), lambda tag: (tag.name,), lambda tag: tag.aliases):
        for tag in dim.tags:
            for spelling in spelled(tag):
                known.setdefault(squash(spelling), tag.id)
    return known


def _accepted(dim: Dimension) -> str:
    ids = sorted(dim.pool)
    listed = ", ".join(ids[:12]) + (f", … ({len(ids)} in all)" if len(ids) > 12 else "")
    several = ", several separated by ';', or 'none'" if dim.select == "multi" else ""
    return f"a tag of {dim.name}{several}: {listed}"


def _parse(content: bytes) -> list[list[str]]:
    text = decode_csv(content)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text)))


def _defuse(text: str) -> str:
    """A spreadsheet must not take a conversation for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
