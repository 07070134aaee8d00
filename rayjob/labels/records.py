"""One record of an input file, as its reader hands it on: a value, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """`row` is the record's place: the line from 1 in JSONL, the index from 0 in a JSON array or Parquet file.

    `error` says why there is no value ("" where there is one). `line` is the line it starts on, 0 where files have no
    lines.
    """

    row: int
    value: object | None = None
    error: str = ""
    line: int = 0
