"""Prepared rows as Ray's source: every row once, in the order of the files, in as many tasks as wanted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from rayjob.engine.source import PreparedRows
from rayjob.store.parquetwrite import write_parquet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five files of three rows, with what else lies there: the mark of a stage that is done."""
    for number in range(5):
        write_parquet(f"{tmp_path}/{number:06}.parquet", pa.table({"uid": [f"{number}.{row}" for row in range(3)]}))
    (tmp_path / "_done.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(("parallelism", "tasks"), [(1, 1), (2, 2), (5, 5), (200, 5)])
def test_every_row_once_and_in_order(folder: Path, parallelism: int, tasks: int) -> None:
    found = PreparedRows(str(folder)).get_read_tasks(parallelism)
    assert len(found) == tasks
    rows = [uid for task in found for table in task() for uid in table["uid"].to_pylist()]
    assert rows == [f"{number}.{row}" for number in range(5) for row in range(3)]


def test_its_size_is_known_without_reading(folder: Path) -> None:
    source = PreparedRows(str(folder))
    assert (
        source.estimate_inmemory_data_size() == sum(task.metadata.size_bytes for task in source.get_read_tasks(2)) > 0
    )


def test_an_empty_folder_has_nothing_to_read(tmp_path: Path) -> None:
    assert PreparedRows(str(tmp_path)).get_read_tasks(8) == []
