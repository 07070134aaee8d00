"""Prepared rows as a source of Ray Data's: files and columns are known, so nothing is sampled and no task waited for.

`ray.data.read_parquet` reads the beginning of some files first, in a task of its own: two seconds of every start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data import Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from rayjob.store.entries import parquet_entries
from rayjob.store.parquetread import read_batches

ROWS_A_BATCH = 1_000
#: Prepared text in memory for each byte of its compressed file.
INFLATED = 5


class PreparedRows(Datasource):  # type: ignore[misc]  # ray ships no types for its datasources
    """The Parquet files below a folder, in the order of their names."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.sizes = {entry.uri: INFLATED * entry.size for entry in parquet_entries(folder)}

    def estimate_inmemory_data_size(self) -> int:
        """Bytes, by which Ray chooses how many tasks read."""
        return sum(self.sizes.values())

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """At most `parallelism` tasks, each of neighbouring files."""
        count = min(parallelism, len(self.sizes))
        return [self._task(uris.tolist()) for uris in np.array_split(list(self.sizes), count)] if count else []

    def _task(self, uris: list[str]) -> ReadTask:
        size = sum(self.sizes[uri] for uri in uris)
        metadata = BlockMetadata(num_rows=None, size_bytes=size, input_files=uris, exec_stats=None)
        return ReadTask(partial(read_tables, uris), metadata)


def read_tables(uris: Sequence[str]) -> Iterator[pa.Table]:
    """The files' rows, a batch at a time."""
    for uri in uris:
        for batch in read_batches(uri, rows=ROWS_A_BATCH):
            yield pa.Table.from_batches([batch])
