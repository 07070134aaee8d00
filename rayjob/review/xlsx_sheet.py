"""A review sheet as XLSX: every cell is text, never a formula; single-select answers have a drop-down list."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rayjob.review.pools import NONE, Pool
from rayjob.review.sheet import KEY, TEXT
from rayjob.review.table import RawRow, SheetError, name_columns

_POOLS = "pools"
_WIDTHS = {TEXT: 90.0}


def write_xlsx(columns: Sequence[str], rows: Sequence[Mapping[str, str]], pools: Mapping[str, Pool]) -> bytes:
    """The workbook's bytes: the sheet, and a second one with the pools. Cells must be cut and defused already."""
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
    _write_lines(book.create_sheet(_POOLS), zip_longest(*lists, fillvalue=""))
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
            formula = f"{_POOLS}!${letter}$2:${letter}${len(pool.tags) + 2}"
            rule = DataValidation(type="list", formula1=formula, allow_blank=True, showErrorMessage=False)
            column = _letters(list(columns).index(name) + 1)
            rule.add(f"{column}2:{column}{max(last, 2)}")
            sheet.add_data_validation(rule)


def _letters(index: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(index))


def read_xlsx(file: str, content: bytes) -> list[RawRow]:
    """The rows of every sheet but the pools. Numbers, dates and formulas come back as the text they show or hold.

    Raises SheetError for what is no workbook.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(content), read_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as bad:
        raise SheetError(f"{file}: not readable as .xlsx ({bad}); save it as .xlsx or CSV again") from bad
    tables = {sheet.title: _lines(sheet) for sheet in book.worksheets if sheet.title != _POOLS}
    book.close()
    rows = []
    for title, lines in tables.items():
        known = any(KEY in [cell.strip().casefold() for cell in line] for line in lines)
        rows += name_columns(file if known or len(tables) == 1 else f"{file}#{title}", lines)
    return rows


def _lines(sheet: Any) -> list[list[str]]:
    sheet.reset_dimensions()  # a sheet's stated size can be wrong after edits by other programs
    return [[_as_text(value) for value in line] for line in sheet.iter_rows(values_only=True)]


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
