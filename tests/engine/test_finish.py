"""Where the rows of a finished run are counted; both ways say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rayjob.engine.finish import FILES_HERE, ROWS_HERE, count_files, count_on, is_counted_here, list_counted
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder


@pytest.mark.parametrize(
    ("files", "rows", "here"),
    [(0, 0, True), (FILES_HERE, ROWS_HERE, True), (FILES_HERE + 1, 100, False), (1, ROWS_HERE + 1, False)],
)
def test_the_driver_counts_what_takes_it_a_second(files: int, rows: int, here: bool) -> None:
    assert is_counted_here([("x.parquet", "labels")] * files, rows) is here


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """70 files of two labelled rows, two files of one failure."""
    folder = RunFolder(str(tmp_path))
    for number in range(70):
        rows = [{"labels": {"intent": "build" if number % 3 else "learn"}, "confidence": {"intent": number / 100}}] * 2
        write_parquet(folder.at("labels", f"{number}.parquet"), pa.Table.from_pylist(rows))
    for number in range(2):
        failed = pa.table({"kind": ["timeout"], "calls": pa.array([[]], pa.list_(pa.string()))})
        write_parquet(folder.at("failures", f"{number}.parquet"), failed)
    return folder


def test_counting_in_parts_says_what_counting_at_once_says(cluster: str, folder: RunFolder) -> None:
    import ray

    work = list_counted(folder)
    at_once: dict[str, Any] = count_files(work, 0.65).to_dict({})
    assert count_on(ray, work, 0.65).to_dict({}) == at_once
    assert (at_once["success"], at_once["failed"]) == (140, 2)
