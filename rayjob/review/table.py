"""Rows of cells that came back from a spreadsheet → rows with named columns, whatever was done to the header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rayjob.review.sheet import ID, KEY


class SheetError(Exception):
    """A sheet that cannot be read, in words for the person who handed it in (exit 2)."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it came back: where it stood and its non-empty cells by column name (spreadsheet letters if none)."""

    file: str
    row: int
    cells: dict[str, str]


def find_header(lines: Sequence[Sequence[str]]) -> int | None:
    """The first line with a cell that says "key", failing that "id"; None: nobody's header."""
    for name in (KEY, ID):
        for index, line in enumerate(lines):
            if name in map(_column, line):
                return index
    return None


def name_columns(file: str, lines: Sequence[Sequence[str]]) -> list[RawRow]:
    """All lines with something in them as rows; those below the header with its names.

    Columns keep their names, trimmed and in lower case; a second column of one name and columns without a name go by
    their letter. Lines above the header come back as rows of letters, and so do header cells that have nothing below
    them: somebody typed them.
    """
    header = find_header(lines)
    if header is None:
        return letter_rows(file, lines)
    names: list[str] = []
    for index, cell in enumerate(lines[header]):
        name = _column(cell)
        names.append(name if name and name not in names else letter_column(index))
    below = [_named(file, i, line, names) for i, line in enumerate(lines[header + 1 :], start=header + 1)]
    used = {name for row in below for name in row.cells}
    unused = ["" if name in used else cell for name, cell in zip(names, lines[header], strict=True)]
    return letter_rows(file, [*lines[:header], unused]) + [row for row in below if row.cells]


def letter_rows(file: str, lines: Sequence[Sequence[str]]) -> list[RawRow]:
    """All lines with something in them as rows whose columns go by their letters."""
    rows = [_named(file, i, line, []) for i, line in enumerate(lines)]
    return [row for row in rows if row.cells]


def _named(file: str, index: int, line: Sequence[str], names: Sequence[str]) -> RawRow:
    cells = {
        (names[at] if at < len(names) else letter_column(at)): cell for at, cell in enumerate(line) if cell.strip()
    }
    return RawRow(file, index + 1, cells)


def _column(cell: str) -> str:
    return " ".join(cell.replace("\ufeff", "").split()).casefold()


def letter_column(index: int) -> str:
    """What a column without a name of its own is called: "column A", "column B", …"""
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % 26) + letters
        index = index // 26 - 1
    return f"column {letters}"
