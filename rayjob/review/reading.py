"""Rows that came back from a sheet → answers, and everything else a reviewer typed kept aside with file and row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rayjob.review.cells import normal_text, restore
from rayjob.review.pools import NONE, read_cell
from rayjob.review.sheet import (
    COMMENT,
    DRAFT,
    ID,
    KEY,
    NOTE,
    OTHER,
    POOLS_SHEET,
    REVIEWER,
    SKIPPED,
    Review,
    ReviewRow,
    digest_cell,
    sheet_columns,
)
from rayjob.review.table import RawRow, letter_column


@dataclass(frozen=True, slots=True)
class Answered:
    """What one reviewer said of one row: tags per dimension (empty: nothing applies; absent: not answered)."""

    key: str
    uid: str
    id: str
    reviewer: str
    answers: Mapping[str, tuple[str, ...]]
    comment: str = ""
    file: str = ""
    row: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something a reviewer typed that is not an answer: where it stood, the text itself, and why it was not taken."""

    file: str
    row: int
    key: str
    reviewer: str
    column: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a sheet brought: answers, what was kept aside, the keys that were given out but did not come back, and how
    many of the review's rows it holds."""

    answered: tuple[Answered, ...]
    kept: tuple[Kept, ...]
    missing: tuple[str, ...]
    seen: int = 0


class _Reader:
    """Reads rows of one review; remembers what was found, kept and seen."""

    def __init__(self, review: Review, reviewer: str, at: str) -> None:
        counts = Counter(row.id for row in review.rows)
        self.by_id = {row.id: row for row in review.rows if counts[row.id] == 1}
        self.by_key = {row.key: row for row in review.rows}
        self.dimensions = {name.casefold(): name for name in review.pools}
        tags = [(name, *pool.tags, NONE) for name, pool in review.pools.items()]
        self.pools = {letter_column(at): of_one for at, of_one in enumerate(tags)}
        self.review, self.reviewer, self.at = review, reviewer, at
        self.found: dict[tuple[str, str], Answered] = {}
        self.kept: list[Kept] = []
        self.seen: set[str] = set()

    def keep(self, raw: RawRow, place: tuple[str, str], column: str, why: str) -> None:
        self.kept.append(Kept(raw.file, raw.row, *place, column, restore(raw.cells[column]), why))

    def keep_all(self, raw: RawRow, place: tuple[str, str], why: str) -> None:
        """Keep every cell of a row that cannot be taken, but for those we wrote and nobody changed."""
        row = self.by_key.get(place[0])
        for column in raw.cells:
            if column not in (KEY, REVIEWER) and (row is None or _is_edit(row, column, raw.cells[column])):
                self.keep(raw, place, column, why)

    def without_ours(self, raw: RawRow) -> RawRow:
        """A line without a key, less the names of our columns and, in the sheet of the pools, their tags."""
        known = {name.casefold() for name in sheet_columns(self.review)}
        pools = self.pools if raw.file.endswith(f"#{POOLS_SHEET}") else {}
        cells = {
            column: cell
            for column, cell in raw.cells.items()
            if normal_text(cell).casefold() not in known and cell not in pools.get(column, ())
        }
        return replace(raw, cells=cells)

    def find_row(self, raw: RawRow) -> ReviewRow | None:
        """The row a line is about, by its key in any case, or failing that by its id."""
        key = restore(raw.cells.get(KEY, "")).strip().casefold()
        return self.by_key.get(key) or self.by_id.get(restore(normal_text(raw.cells.get(ID, ""))))

    def read(self, raw: RawRow) -> None:
        who = restore(raw.cells.get(REVIEWER, "")).strip() or self.reviewer
        row = self.find_row(raw)
        if row is None:
            key = raw.cells.get(KEY, "").strip()
            if not key:
                raw = self.without_ours(raw)
            self.keep_all(raw, (key, who), "no row of this review has this key" if key else "the row has no key")
            return
        said = Answered(
            row.key, row.uid, row.id, who, self._answers(raw, row, who), restore(raw.cells.get(COMMENT, "")),
            raw.file, raw.row, self.at,
        )  # fmt: skip
        self.seen.add(row.key)
        before = self.found.get((row.key, who))
        if before and (before.answers, before.comment) != (said.answers, said.comment):
            self.keep_all(raw, (row.key, who), f"the row stands twice; row {before.row} of {before.file} was taken")
        elif not before and (said.answers or said.comment):
            self.found[row.key, who] = said

    def _answers(self, raw: RawRow, row: ReviewRow, who: str) -> dict[str, tuple[str, ...]]:
        """The accepted answers; every other cell with something new in it is kept aside."""
        answers = {}
        for column, cell in raw.cells.items():
            name = self.dimensions.get(column)
            if name is not None:
                proposal = None if self.review.blind else row.proposal.get(name, ())
                read = read_cell(restore(cell), self.review.pools[name], proposal)
                if read.tags is not None:
                    answers[name] = read.tags
                elif read.why:
                    self.keep(raw, (row.key, who), column, read.why)
            elif column not in (KEY, REVIEWER, COMMENT) and _is_edit(row, column, cell):
                self.keep(raw, (row.key, who), column, _why_aside(row, column))
        return answers


def _why_aside(row: ReviewRow, column: str) -> str:
    if column == OTHER:
        return "a tag that the pool lacks"
    if column.startswith(SKIPPED):
        return "the task was skipped"
    if column.startswith(DRAFT):
        return "the draft was not submitted"
    if column.startswith(NOTE):
        return "a note on a cell"
    return "the shown text was edited" if column in _shown(row) else "not an answer column"


def _shown(row: ReviewRow) -> dict[str, str]:
    return {column.casefold(): digest for column, digest in row.digests.items()}


def _is_edit(row: ReviewRow, column: str, cell: str) -> bool:
    return _shown(row).get(column) != digest_cell(cell)


def read_back(review: Review, raw: Iterable[RawRow], reviewer: str = "", at: str = "") -> ReadBack:
    """Check every cell against the pools. `reviewer` names who answered where the sheet does not say.

    Rows that are not ours, columns that are not ours, edited texts and answers outside the pool are kept aside.
    """
    reader = _Reader(review, reviewer, at)
    for row in raw:
        reader.read(row)
    expected = [row.key for row in review.rows if not reviewer or not row.reviewers or reviewer in row.reviewers]
    missing = tuple(key for key in expected if key not in reader.seen)
    return ReadBack(tuple(reader.found.values()), tuple(reader.kept), missing, len(reader.seen))
