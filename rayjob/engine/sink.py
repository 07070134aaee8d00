"""Writes a labelling stage: labels/ and failures/, each file whole or absent, one Ray checkpoint for both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from ray.data._internal.datasource.parquet_datasink import ParquetDatasink
from ray.data._internal.planner.plan_write_op import WRITE_UUID_KWARG_NAME
from ray.data.block import BlockAccessor
from ray.data.datasource import FilenameProvider

from rayjob.engine.columns import split_failures
from rayjob.store.parquetwrite import write_parquet


class RunSink(ParquetDatasink):  # type: ignore[misc]  # ray ships no types for its datasinks
    """A file sink whose tasks write up to two Parquet files of one base name, under labels/ and failures/.

    Being a file sink of Ray's, it takes part in the two-phase commit of Ray's checkpoint: a pending mark, the files,
    the commit. Recovery deletes files whose base name has a pending mark, in whichever folder they stand.
    """

    def __init__(
        self, root: str, filesystem: pa.fs.FileSystem, path: str, rows_per_file: int, target: str = "labels"
    ) -> None:
        super().__init__(
            path, filesystem=filesystem, min_rows_per_file=rows_per_file,
            filename_provider=FilenameProvider(file_format="parquet"),
        )  # fmt: skip
        self.root, self.target = root, target

    def write(self, blocks: Iterable[pa.Table], ctx: Any) -> None:
        """Write one task's blocks. Retried with the same names, so a second attempt replaces the first."""
        tables = [BlockAccessor.for_block(block).to_arrow() for block in blocks]
        tables = [table for table in tables if table.num_rows]
        if not tables:
            return
        name = self.filename_provider.get_filename_for_task(ctx.kwargs[WRITE_UUID_KWARG_NAME], ctx.task_idx)
        base = name.removesuffix(".parquet")
        good, bad = split_failures(pa.concat_tables(tables))
        for folder, table in ((self.target, good), ("failures", bad)):
            if table.num_rows:
                write_parquet(f"{self.root}/{folder}/{base}.parquet", table)
