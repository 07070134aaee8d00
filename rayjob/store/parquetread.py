"""Reads Parquet rows, some at a time: a user's, where what cannot be read is data, and a run's own, where it raises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.labels.records import ALL_ROWS, ROWS_A_TURN, Record, Share
from rayjob.store.errors import translate
from rayjob.store.files import open_input

#: What a value that Arrow holds and Python cannot is told by: no UTF-8, a year beyond 9999, an unknown time zone.
UNREADABLE = (ValueError, OverflowError, pa.ArrowException)
#: Footers read at a time; on object storage each takes some requests.
READERS = 16


def read_parquet(uri: str, share: Share = ALL_ROWS) -> Iterator[Record]:
    """The rows of a user's Parquet file, `row` from 0. A damaged file is one failure, an unreadable row is that row's.

    Columns that are null are left out of a row, as JSON would have them.
    """
    row = 0
    with open_input(uri) as file:
        try:
            for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(batch_size=ROWS_A_TURN):
                if any(share.has(place) for place in range(row, row + batch.num_rows)):
                    yield from (record for record in _read_batch(batch, row) if share.has(record.row))
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and ("AWS Error" in str(error) or error.errno is not None):
                raise translate(error, uri) from error
            if share.has(row):
                yield Record(row, error=f"damaged Parquet file, the rest of it is left out: {str(error)[:200]}")


def read_batches(uri: str, columns: Sequence[str] | None = None, rows: int = 4_000) -> Iterator[pa.RecordBatch]:
    """A file of the run's own, at most so many rows at a time; of `columns` (None: all) those that it has."""
    with open_input(uri) as source:
        parquet = pq.ParquetFile(source)
        names = None if columns is None else [name for name in columns if name in parquet.schema_arrow.names]
        yield from parquet.iter_batches(batch_size=rows, columns=names)


def count_rows(uris: Sequence[str]) -> int:
    """Rows of files of the run's own, by their footers."""
    if not uris:
        return 0
    with ThreadPoolExecutor(min(READERS, len(uris))) as pool:
        return sum(pool.map(_rows_of, uris))


def _rows_of(uri: str) -> int:
    with open_input(uri) as source:
        return int(pq.read_metadata(source).num_rows)


def _read_batch(batch: pa.RecordBatch, start: int) -> Iterator[Record]:
    try:
        rows = batch.to_pylist()
    except UNREADABLE:
        rows = None
    for index in range(batch.num_rows):
        if rows is None:
            yield _read_row(batch, index, start + index)
        else:
            yield Record(start + index, _drop_nulls(rows[index]))


def _read_row(batch: pa.RecordBatch, index: int, row: int) -> Record:
    try:
        return Record(row, _drop_nulls(batch.slice(index, 1).to_pylist()[0]))
    except UnicodeDecodeError as error:
        return Record(row, error=f"not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start:,}")
    except UNREADABLE as error:
        name = next(
            (n for n, values in zip(batch.schema.names, batch.columns, strict=True) if not _is_readable(values[index])),
            "",
        )
        return Record(row, error=f"the value of column {name!r} cannot be read: {str(error)[:200]}")


def _is_readable(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except UNREADABLE:
        return False
    return True


def _drop_nulls(value: dict[str, object]) -> dict[str, object]:
    return {name: item for name, item in value.items() if item is not None}
