"""One record of an input file, as its reader hands it on: a value, or why there is none; and shares of a file."""

from __future__ import annotations

from dataclasses import dataclass

#: Neighbouring rows that belong to one share; Parquet is read in batches of so many.
ROWS_A_TURN = 256


@dataclass(frozen=True, slots=True)
class Share:
    """Part `index` (from 0) of `count` of a file's rows, so that several readers can divide a big file among them.

    Each of them scans the whole file, which is cheap, and parses its own part, which is not.
    """

    index: int = 0
    count: int = 1

    def has(self, row: int) -> bool:
        """Whether the row with this number is in the share."""
        return row // ROWS_A_TURN % self.count == self.index


ALL_ROWS = Share()
NO_ROWS = Share(1, 1)


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
