"""A review sheet as CSV: UTF-8 with a byte order mark, as Excel wants it; reads what spreadsheets make of it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence

from rayjob.labels.csvtext import DELIMITERS, decode_csv, find_delimiter
from rayjob.review.table import RawRow, SheetError, find_header, name_columns

_MOST_CELL_BYTES = 64 * 1024 * 1024


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    """The sheet's bytes. Cells must be defused already."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", errors="replace")


def read_csv(file: str, content: bytes) -> list[RawRow]:
    """The rows of a CSV file: comma, semicolon or tab; UTF-8, UTF-16 or, failing both, Windows-1252.

    Raises SheetError for what is no CSV.
    """
    text = decode_csv(content)
    if "\x00" in text:
        raise SheetError(f"{file}: no sheet; accepted: CSV, .xlsx, Label Studio's JSON export")
    likely = find_delimiter(text)
    # A title above the header says nothing about the separator: the one that makes a header of ours is right.
    tries = [_split(file, text, one) for one in sorted(DELIMITERS, key=lambda one: one != likely)]
    ours = next((lines for lines in tries if find_header(lines) is not None), None)
    return name_columns(file, max(tries, key=_even_rows) if ours is None else ours)


def _even_rows(lines: Sequence[Sequence[str]]) -> int:
    """How many rows are equally wide; a file that falls into single cells was not parted by this separator."""
    widths = Counter(len(line) for line in lines if len(line) > 1)
    return max(widths.values(), default=0)


def _split(file: str, text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_MOST_CELL_BYTES)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as bad:
        raise SheetError(f"{file}: not readable as CSV ({bad}); save it as CSV (UTF-8) or .xlsx again") from bad
