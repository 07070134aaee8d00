"""A review sheet as XLSX: every cell is text, never a formula; single-select answers have a drop-down list."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rayjob.review.pools import NONE, Pool
from rayjob.review.sheet import NOTE, POOLS_SHEET, TEXT
from rayjob.review.table import RawRow, SheetError, find_header, letter_rows, name_columns

_WIDTHS = {TEXT: 90.0}


def _need_openpyxl() -> None:
    try:
        import openpyxl  # noqa: F401
    except ImportError as missing:
        raise SheetError(
            "sheets as .xlsx need the package openpyxl: pip install '.[review]' in rayjob's checkout; CSV needs nothing"
        ) from missing


def write_xlsx(columns: Sequence[str], rows: Sequence[Mapping[str, str]], pools: Mapping[str, Pool]) -> bytes:
    """The workbook's bytes: the sheet, and a second one with the pools. Cells must be cut and defused already.

    Raises SheetError where openpyxl is not installed.
    """
    _need_openpyxl()
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "review"
    sheet.freeze_panes = "B2"
    for index, column in enumerate(columns, start=1):
        sheet.column_dimensions[_letters(index)].width = _WIDTHS.get(column, 22.0)
    _write_lines(sheet, [list(columns), *([row.get(column, "") for column in columns] for row in rows)])
    _add_lists(sheet, columns, pools, len(rows) + 1)
    lists = [[name, *pool.tags, NONE] for name, pool in pools.items()]
    _write_lines(book.create_sheet(POOLS_SHEET), zip_longest(*lists, fillvalue=""))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _write_lines(sheet: Any, lines: Iterable[Sequence[str]]) -> None:
    for row, line in enumerate(lines, start=1):
        for column, value in enumerate(line, start=1):
            if value:
                cell = sheet.cell(row, column, value)
                cell.data_type = "s"  # else "=…" becomes a formula and "#N/A" an error
                cell.number_format = "@"


def _add_lists(sheet: Any, columns: Sequence[str], pools: Mapping[str, Pool], last: int) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    for at, (name, pool) in enumerate(pools.items(), start=1):
        if pool.select == "single" and name in columns:
            letter = _letters(at)
            formula = f"{POOLS_SHEET}!${letter}$2:${letter}${len(pool.tags) + 2}"
            rule = DataValidation(type="list", formula1=formula, allow_blank=True, showErrorMessage=False)
            column = _letters(list(columns).index(name) + 1)
            rule.add(f"{column}2:{column}{max(last, 2)}")
            sheet.add_data_validation(rule)


def _letters(index: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(index))


def read_xlsx(file: str, content: bytes) -> list[RawRow]:
    """The rows of every sheet. Numbers, dates and formulas come back as the text they show or hold, the notes that hang
    on cells as cells more, and what stands in the sheet of the pools under `#pools`.

    Raises SheetError for what is no workbook, and where openpyxl is not installed.
    """
    _need_openpyxl()
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(content), read_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as bad:
        raise SheetError(f"{file}: not readable as .xlsx ({bad}); save it as .xlsx or CSV again") from bad
    tables = {sheet.title: _lines(sheet) for sheet in book.worksheets}
    book.close()
    notes = _read_notes(content, tables)
    rows = []
    for title, lines in tables.items():
        ours = title != POOLS_SHEET and (find_header(lines) is not None or len(tables) == 1)
        name = file if ours else f"{file}#{title}"
        read = name_columns(name, lines) if ours else letter_rows(name, lines)
        rows += _with_notes(name, read, notes.get(title, []))
    return rows


def _lines(sheet: Any) -> list[list[str]]:
    """The sheet's lines of text without the blank ends: somebody may have painted a million lines."""
    sheet.reset_dimensions()  # a sheet's stated size can be wrong after edits by other programs
    lines: list[list[str]] = []
    filled = 0
    for values in sheet.iter_rows(values_only=True):
        line = [_as_text(value) for value in values]
        while line and not line[-1]:
            line.pop()
        lines.append(line)
        filled = len(lines) if line else filled
    return lines[:filled]


def _read_notes(content: bytes, tables: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, list[tuple[int, str, str]]]:
    """Per sheet the notes on its cells, (line from 1, cell, text); looked for a little past what is filled."""
    from openpyxl import load_workbook

    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if not any("comments" in name for name in parts.namelist()):
            return {}
    found = {}
    for sheet in load_workbook(io.BytesIO(content)).worksheets:
        lines = tables[sheet.title]
        far = sheet.iter_rows(max_row=len(lines) + 100, max_col=max(map(len, lines), default=0) + 20)
        noted = [cell for line in far for cell in line if cell.comment]
        found[sheet.title] = [(cell.row, cell.coordinate, str(cell.comment.text)) for cell in noted]
    return found


def _with_notes(file: str, rows: list[RawRow], notes: Sequence[tuple[int, str, str]]) -> list[RawRow]:
    """The rows with their notes as cells more; a note on a line without a row makes one."""
    by_line = {row.row: row for row in rows}
    for line, place, text in notes:
        row = by_line.setdefault(line, RawRow(file, line, {}))
        row.cells[f"{NOTE}{place}"] = text
    return sorted(by_line.values(), key=lambda row: row.row)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
