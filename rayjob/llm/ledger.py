"""Never pay twice: every paid answer, durable within a second or two, found again by what was asked. No server.

Each process writes its answers as small immutable segments, about two a second, and merges its own 32 to 1 as they add
up. Answers are looked up in a shared index in memory; their text is read when it is asked for. docs/ledger.md has the
numbers.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from rayjob.llm.errors import RunStoppedError
from rayjob.llm.ledger_index import SUFFIX, Files, Index, load_index
from rayjob.llm.ledger_lookup import Lookup
from rayjob.llm.segments import decode_record, encode_record, encode_segment, merge_segments

FAN_IN = 32
#: Segments merged by their writer: 32 of half a second, then 32 of a quarter of a minute. The rest is `compact`'s.
MERGED_LEVELS = 2
#: Writes that fail in a row before the run is stopped, or one after the other for so long: a single write to an S3 that
#: stays silent fails after two minutes.
WRITES_TO_GIVE_UP = 6
GIVE_UP_S = 60.0
#: Nothing more is paid for while an answer is not durable for so long: all that is paid meanwhile might be lost.
HELD_S = 15.0


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


def segment_name(path: str, writer: str, number: int, level: int) -> str:
    """URI of a new segment; names sort by the time they were written."""
    return f"{path.rstrip('/')}/{int(time.time() * 1000):013d}-{writer}-{number:06d}-{level}{SUFFIX}"


class Ledger:
    """One process's view of a ledger folder. Made by `open`; belongs to one event loop."""

    def __init__(
        self, files: Files, path: str, index: Index, flush_s: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.files = self._files = files
        self.path = self._path = path.rstrip("/")
        self._flush_s = flush_s
        self._lookup = Lookup(files, self._path, index)
        self._writer = f"{os.getpid():x}{uuid.uuid4().hex[:8]}"
        self._written = 0
        self._fresh: dict[bytes, bytes] = {}  # encoded, not yet durable
        self._flushing: dict[bytes, bytes] = {}
        self._writing = asyncio.Lock()
        self._levels: defaultdict[int, list[str]] = defaultdict(list)
        self._flusher: asyncio.Task[None] | None = None
        self._merger: asyncio.Task[None] | None = None
        self._turns: dict[bytes, _Turn] = {}
        self._failed_writes = 0
        self._failed_at = float("-inf")
        self._failing_since: float | None = None
        self._waiting_since: float | None = None  # the oldest answer that is not durable
        self._trouble = ""

    @classmethod
    def open(cls, files: Files, path: str, index: Index | None = None, flush_s: float = 0.5) -> Ledger:
        """The ledger under `path`, made on the first write. `index`: one loaded before (load_index), to share it."""
        return cls(files, path, load_index(files, path.rstrip("/")) if index is None else index, flush_s)

    def __len__(self) -> int:
        return len(self._lookup) + len(self._flushing) + len(self._fresh)

    def __bool__(self) -> bool:
        return True  # an empty ledger is a ledger

    @asynccontextmanager
    async def one_at_a_time(self, key: bytes) -> AsyncIterator[None]:
        """Of two rows here that ask the same at the same time, the second waits and finds the first's answer."""
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]

    async def get(self, key: bytes) -> bytes | None:
        """The record of an answered question, or None. A record that cannot be read counts as none."""
        fresh = self._fresh.get(key) or self._flushing.get(key)
        return decode_record(fresh)[1] if fresh is not None else await self._lookup.find(key)

    def put(self, key: bytes, record: bytes) -> None:
        """Enters an answer; durable after `flush_s` and a write, or two where one had just begun.

        Raises RunStoppedError where writing keeps failing.
        """
        self._fresh[key] = encode_record(key, record)
        self._waiting_since = self._clock() if self._waiting_since is None else self._waiting_since
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_later())
        self._refuse_if_lost()

    async def ready(self) -> None:
        """Returns once another answer may be paid for: at once, but where answers have not become durable for HELD_S.

        Raises RunStoppedError where writing keeps failing.
        """
        while self._waiting_since is not None and self._clock() - self._waiting_since > HELD_S:
            self._refuse_if_lost()
            try:
                await self.flush()
            except OSError:
                await asyncio.sleep(self._flush_s)

    async def flush(self) -> None:
        """Writes what is not durable yet. Raises OSError; the answers stay for another try.

        Whoever waited while a write failed gets its error: many that wait must not each wait for a write of their own.
        """
        asked = self._clock()
        async with self._writing:
            if not self._fresh:
                return
            if self._failed_at > asked:
                raise OSError(self._trouble)
            self._levels[0].append(await self._write_fresh())
        # Apart from the writing: on object storage a merge takes seconds, for which no answer would become durable.
        if len(self._levels[0]) >= FAN_IN and (self._merger is None or self._merger.done()):
            self._merger = asyncio.create_task(self._merge_up())

    async def _write_fresh(self) -> str:
        began = self._clock()
        self._flushing, self._fresh = self._fresh, {}
        try:
            uri, segment = self._name(0), encode_segment(self._flushing)
            await asyncio.to_thread(self._files.write_atomic, uri, segment)
            self._lookup.add_segment(uri, segment)
        except BaseException as error:  # a cancellation too: what is not durable must be written by the next flush
            self._fresh = {**self._flushing, **self._fresh}
            if isinstance(error, OSError):
                self._note_failure(error, began)
            raise
        finally:
            self._flushing = {}
        self._failing_since = None
        self._waiting_since = began if self._fresh else None
        return uri

    def _note_failure(self, error: OSError, began: float) -> None:
        self._failed_at, self._trouble = self._clock(), str(error)
        self._failing_since = began if self._failing_since is None else self._failing_since

    def _refuse_if_lost(self) -> None:
        if self._failing_since is None:
            return
        if self._failed_writes >= WRITES_TO_GIVE_UP or self._failed_at - self._failing_since >= GIVE_UP_S:
            raise RunStoppedError("ledger", f"{self._path} cannot be written: {self._trouble}")

    async def refresh(self) -> int:
        """Takes in what other processes wrote; returns how many answers that were. Also happens by itself."""
        return await self._lookup.refresh()

    async def close(self) -> None:
        """Makes everything durable. Raises OSError."""
        if self._flusher is not None:
            self._flusher.cancel()
            with suppress(asyncio.CancelledError):
                await self._flusher
        await self.flush()
        if self._merger is not None:
            await self._merger

    async def _flush_later(self) -> None:
        while self._fresh:
            await asyncio.sleep(self._flush_s * min(16, 2**self._failed_writes))
            try:
                await asyncio.shield(self.flush())
                self._failed_writes = 0
            except OSError:
                self._failed_writes += 1

    def _name(self, level: int) -> str:
        self._written += 1
        return segment_name(self._path, self._writer, self._written, level)

    async def _merge_up(self) -> None:
        """As long as a level has FAN_IN segments of ours, they become one of the next."""
        for level in range(MERGED_LEVELS):
            while len(self._levels[level]) >= FAN_IN:
                mine, self._levels[level] = self._levels[level][:FAN_IN], self._levels[level][FAN_IN:]
                merged = self._name(level + 1)
                try:
                    segment = await asyncio.to_thread(self._merge, mine, merged)
                except OSError:
                    continue  # a `compact` took them, or storage has trouble: small segments are as good
                self._lookup.add_segment(merged, segment, instead_of=mine)
                await asyncio.to_thread(self._delete, mine)
                self._levels[level + 1].append(merged)

    def _merge(self, uris: list[str], into: str) -> bytes:
        segment = merge_segments(self._files.read_bytes(uri) for uri in uris)
        self._files.write_atomic(into, segment)
        return segment

    def _delete(self, uris: list[str]) -> None:
        for uri in uris:
            with suppress(OSError):
                self._files.delete(uri)
