"""The ask step: labels of the chosen rows, from people's sheet or from fields that hold the truth. Reads no file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from rayjob.labels.csvtext import decode_csv, find_delimiter
from rayjob.labels.tags import LabelValue
from rayjob.labels.taxonomy import Dimension
from rayjob.steps.ask_pool import NotInPoolError, Pool

Row = Mapping[str, Any]

#: Columns of the sheet before those of the dimensions.
UID, TEXT = "uid", "text"
_MOST_CHARS = 30_000  # a spreadsheet cell holds 32,767
#: What a person writes into a cell that nobody can judge.
SKIP = "?"


@dataclass(frozen=True, slots=True, order=True)
class SheetProblem:
    """One cell a person must mend: where, what stands there, what would be accepted."""

    file: str
    row: int
    column: str
    value: str
    accepted: str

    def __str__(self) -> str:
        return f"{self.file}: row {self.row}, column {self.column}: {self.message}"

    @property
    def message(self) -> str:
        """What stands there and what would be accepted."""
        return f"{self.value!r} is not {self.accepted}"


@dataclass(frozen=True, slots=True)
class Answered:
    """Labels by uid and dimension, what is wrong, and which asked uids are still open (a cell empty or wrong).

    A row with labels has every dimension; None where it was not judged: skipped in the sheet, or without truth.
    """

    labels: Mapping[str, Mapping[str, LabelValue | None]]
    problems: tuple[SheetProblem, ...] = ()
    open: tuple[str, ...] = ()


def write_sheet(rows: Iterable[Row], dims: Sequence[Dimension]) -> bytes:
    """The CSV that goes out: one line a row, its text, a cell a dimension, empty where no label was accepted.

    UTF-8 marked for Excel.
    """
    content = io.BytesIO()
    text = io.TextIOWrapper(content, "utf-8-sig", errors="replace", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([UID, TEXT, *(dim.name for dim in dims)])
    pools = [Pool(dim) for dim in dims]
    for row in rows:
        given = json.loads(row.get("given") or "{}").get("labels", {})
        writer.writerow([row["uid"], _defuse(_shown(row)), *(pool.write(given.get(pool.dim.name)) for pool in pools)])
    text.flush()
    return content.getvalue()


def _shown(row: Row) -> str:
    """What a person judges by: the conversation, and behind it the chain of thought, which transcripts leave out."""
    text, reasoning = str(row.get("transcript") or row.get("query") or ""), str(row.get("reasoning") or "")
    if not reasoning:
        return _cut(text, _MOST_CHARS)
    half = _MOST_CHARS // 2
    thoughts = _cut(reasoning, max(half, _MOST_CHARS - len(text)))
    return f"{_cut(text, max(half, _MOST_CHARS - len(reasoning)))}\n\n[reasoning]\n{thoughts}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} […]"


def read_sheet(file: str, content: bytes, asked: Sequence[str], dims: Sequence[Dimension]) -> Answered:
    """The CSV that came back: comma, semicolon or tab; every cell checked against its pool."""
    reader = _Reader(file, [Pool(dim, skip=SKIP) for dim in dims], frozenset(asked))
    lines = _parse(content)
    header = next(lines, None)
    if reader.check_header(header or []):
        for number, line in enumerate(lines, start=2):
            if line is None:
                reader.add(number, UID, '"', _CLOSED)
            else:
                reader.read(number, line)
    return reader.answered(asked)


def read_truth(rows: Iterable[Row], fields: Mapping[str, str], dims: Sequence[Dimension]) -> Answered:
    """Labels that stand in the records' metadata: `fields` names the field of each dimension.

    No field, null or a blank text is no truth; an empty list says that no tag fits.
    """
    labels: dict[str, dict[str, LabelValue | None]] = {}
    problems: list[SheetProblem] = []
    pools = [Pool(dim) for dim in dims]
    for number, row in enumerate(rows):
        metadata = row.get("metadata") or {}
        known = json.loads(metadata) if isinstance(metadata, str) else metadata
        found = labels.setdefault(str(row["uid"]), {})
        for pool in pools:
            column = fields[pool.dim.name]
            found[pool.dim.name] = None
            try:
                found[pool.dim.name] = pool.read_truth(known.get(column))
            except NotInPoolError as error:
                problems.append(SheetProblem(str(row["uid"]), number, column, str(error), pool.accepted))
    whole = {uid: found for uid, found in labels.items() if any(label is not None for label in found.values())}
    return Answered(whole, tuple(problems), tuple(uid for uid in labels if uid not in whole))


@dataclass
class _Reader:
    """One pass over a sheet."""

    file: str
    pools: Sequence[Pool]
    asked: frozenset[str]
    header: list[str] = field(default_factory=list)
    labels: dict[str, dict[str, LabelValue | None]] = field(default_factory=dict)
    problems: list[SheetProblem] = field(default_factory=list)

    def check_header(self, header: list[str]) -> bool:
        self.header = [cell.strip() for cell in header]
        missing = [name for name in (UID, *(pool.dim.name for pool in self.pools)) if name not in self.header]
        for name in missing:
            self.add(1, name, ", ".join(self.header), f"a header with the column {name!r}")
        return not missing

    def read(self, number: int, line: list[str]) -> None:
        cells = dict(zip(self.header, line, strict=False))
        uid = cells.get(UID, "").strip()
        if not any(cell.strip() for cell in line):
            return
        if uid not in self.asked:
            self.add(number, UID, uid, "one of the rows that were asked about; leave this column as it went out")
            return
        found = self.labels.setdefault(uid, {})
        for pool in self.pools:
            self._read_cell(number, pool, cells.get(pool.dim.name, ""), found)

    def _read_cell(self, number: int, pool: Pool, cell: str, found: dict[str, LabelValue | None]) -> None:
        name = pool.dim.name
        try:
            for label in pool.read_cell(cell):
                if found.setdefault(name, label) != label:
                    before = SKIP if found[name] is None else found[name]
                    self.add(number, name, cell, f"what another line says about the same row: {before!r}")
        except NotInPoolError as error:
            self.add(number, name, str(error), pool.accepted)

    def add(self, row: int, column: str, value: str, accepted: str) -> None:
        self.problems.append(SheetProblem(self.file, row, column, value, accepted))

    def answered(self, asked: Sequence[str]) -> Answered:
        whole = {uid: found for uid, found in self.labels.items() if len(found) == len(self.pools)}
        still = tuple(uid for uid in asked if uid not in whole)
        return Answered(whole, tuple(sorted(self.problems)), still)


#: What follows "is not" where a quotation mark stands alone.
_CLOSED = "closed: this row takes in all that stands below it; put a second quotation mark, or take out the first"
_END = "\ufdd0"  # no character: no text holds it


def _parse(content: bytes) -> Iterator[list[str] | None]:
    """The sheet's lines; None, and no more, for one with a quotation mark that nothing closes."""
    text = decode_csv(content)
    lines = chain(io.StringIO(text, newline=""), [_END])  # inside an open quotation the end is one more line of text
    reader = csv.reader(lines, delimiter=find_delimiter(text))
    try:
        for line in reader:
            if line == [_END]:
                return
            if line and line[-1].endswith(_END):
                break
            yield line
    except csv.Error:  # a cell beyond 131,072 characters, far more than a spreadsheet's
        pass
    yield None


def _defuse(text: str) -> str:
    """A spreadsheet must not take a conversation for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
