"""Has something told every few seconds while a stage is at work, from a thread of its own. Knows not what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.store import files
from rayjob.store.entries import parquet_entries
from rayjob.store.errors import StoreError

TELL_S = 2.0


class Ticker:
    """`with Ticker(tell):` calls `tell` every `every_s` seconds until the block ends."""

    def __init__(self, tell: Callable[[], None], every_s: float = TELL_S) -> None:
        self._tell, self._every_s = tell, every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rayjob-ticker", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            with suppress(StoreError):  # storage has trouble: the stage itself will say so
                self._tell()


class RowCounter:
    """Rows that are done, of `total`; called: as text."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def add(self, rows: int) -> None:
        """So many more are done."""
        self.done += rows

    def __call__(self) -> str:
        return f"{self.done:,} of {self.total:,} rows"


class ParquetRows:
    """Rows in the Parquet files below a folder to which others write; each file is looked into once."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._rows: dict[str, int] = {}

    def count(self) -> int:
        """As of now. A file that is being written has no footer yet: the next call counts it."""
        for entry in parquet_entries(self._uri):
            if entry.uri not in self._rows:
                with suppress(pa.ArrowInvalid), files.open_input(entry.uri) as source:
                    self._rows[entry.uri] = pq.read_metadata(source).num_rows
        return sum(self._rows.values())
