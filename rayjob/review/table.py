"""Rows of cells that came back from a spreadsheet → rows with named columns, whatever was done to the header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rayjob.review.sheet import KEY


class SheetError(Exception):
    """A sheet that cannot be read, in words for the person who handed it in (exit 2)."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it came back: where it stood and its non-empty cells by column name (spreadsheet letters if none)."""

    file: str
    row: int
    cells: dict[str, str]


def name_columns(file: str, lines: Sequence[Sequence[str]]) -> list[RawRow]:
    """Rows below the header: the first line with a cell that says "key", else the first line.

    Columns keep their names, trimmed and in lower case; a second column of one name and columns without a name go by
    their letter. Lines above the header come back as rows of letters: somebody typed them.
    """
    header = next((i for i, line in enumerate(lines) if KEY in map(_column, line)), 0)
    names: list[str] = []
    for index, cell in enumerate(lines[header] if lines else []):
        name = _column(cell)
        names.append(name if name and name not in names else f"column {_letter(index)}")
    above = [_named(file, i, line, []) for i, line in enumerate(lines[:header])]
    below = [_named(file, i, line, names) for i, line in enumerate(lines[header + 1 :], start=header + 1)]
    return [row for row in above + below if row.cells]


def _named(file: str, index: int, line: Sequence[str], names: Sequence[str]) -> RawRow:
    cells = {
        (names[at] if at < len(names) else f"column {_letter(at)}"): cell
        for at, cell in enumerate(line)
        if cell.strip()
    }
    return RawRow(file, index + 1, cells)


def _column(cell: str) -> str:
    return " ".join(cell.replace("\ufeff", "").split()).casefold()


def _letter(index: int) -> str:
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % 26) + letters
        index = index // 26 - 1
    return letters
