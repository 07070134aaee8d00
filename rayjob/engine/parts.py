"""Prepared rows in parts of a few thousand: the unit that is embedded, spread over and resumed. Embeds nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rayjob.engine.columns import PREPARED
from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder

ROWS_A_PART = 4_096
LISTED = "parts.json"
#: Order of rows in a run, whatever order Ray wrote its files in.
PLACE = ("source", "row", "turn")


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring row groups of one prepared file."""

    number: int
    uri: str
    first: int
    last: int
    rows: int

    @property
    def name(self) -> str:
        """What the files made from it are called."""
        return f"part-{self.number:05d}"

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its rows, in the file's order."""
        with files.open_input(self.uri) as source:
            groups = list(range(self.first, self.last))
            return pq.ParquetFile(source).read_row_groups(groups, columns=None if columns is None else list(columns))


def list_parts(folder: RunFolder, prepared: str, stage: str) -> list[Part]:
    """The parts of the prepared rows, written down the first time, so that a resumed run has the same."""
    name = f"stages/{stage}/{LISTED}"
    known = folder.read_json(name)
    if known is None:
        found = [piece for uri in folder.parquet(f"stages/{prepared}") for piece in _cut(uri)]
        found.sort(key=lambda piece: piece[0])
        parts = [Part(number, *piece[1]) for number, piece in enumerate(found)]
        known = {"parts": [asdict(part) for part in parts]}
        folder.write_json(name, known)
    return [Part(**part) for part in known["parts"]]


def _cut(uri: str) -> Iterator[tuple[tuple[Any, ...], tuple[str, int, int, int]]]:
    """(place of the first row, (uri, first row group, last, rows)) of each part of a file."""
    with files.open_input(uri) as source:
        parquet = pq.ParquetFile(source)
        start = rows = 0
        for group in range(parquet.num_row_groups):
            rows += parquet.metadata.row_group(group).num_rows
            if rows >= ROWS_A_PART or group == parquet.num_row_groups - 1:
                if rows:
                    yield _place_of(parquet, start), (uri, start, group + 1, rows)
                start, rows = group + 1, 0


def _place_of(parquet: pq.ParquetFile, group: int) -> tuple[Any, ...]:
    row = parquet.read_row_group(group, columns=list(PLACE)).slice(0, 1).to_pylist()[0]
    return tuple(row[name] for name in PLACE)


def write_subset(part: Part, places: Sequence[int], uri: str) -> tuple[int, int]:
    """Some rows of a part as a Parquet file of their own; returns (rows, heirs)."""
    table = part.read(PREPARED.names).take(pa.array(places, pa.int64()))
    write_parquet(uri, table)
    return table.num_rows, count_heirs(table)


def count_heirs(table: pa.Table) -> int:
    """Replies that inherit from the rows of a table."""
    return int(pc.sum(pc.list_value_length(table["heirs"])).as_py() or 0)
