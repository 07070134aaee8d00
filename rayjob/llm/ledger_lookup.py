"""Finding answers in the ledger's segments: a shared index, the pieces that came since, and reads gathered together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from rayjob.llm.ledger_index import (
    Files,
    Index,
    Place,
    build_index,
    load_index,
    merge_indexes,
)
from rayjob.llm.segments import DamagedError, decode_index, decode_record

#: Look-ups that come within this time are read together, and near ones with one read.
GATHER_S = 0.002
GAP = 1 << 15
LONGEST_READ = 4 << 20
#: Reads of object storage take tens of milliseconds each; so many go on at a time.
READERS = 32
REFRESH_S = 2.0
#: Reads a second that looking for other writers' segments may cost.
REFRESH_READS_PER_S = 10.0

_Wanted = tuple[Place, "asyncio.Future[bytes | None]"]


class Lookup:
    """The reading side of a ledger; belongs to one event loop."""

    def __init__(self, files: Files, path: str, index: Index) -> None:
        self._files = files
        self._path = path
        self._base = index
        self._pieces: list[Index] = []  # from old and large to new and small
        self._gone: set[str] = set()
        self._known: set[str] = set(index.segments)
        self._wanted: list[_Wanted] = []
        self._reads: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(READERS, "ledger")
        self._refreshed_at = time.monotonic()
        self._refresh_wait_s = REFRESH_S

    def __len__(self) -> int:
        return len(self._base) + sum(map(len, self._pieces))

    async def find(self, key: bytes) -> bytes | None:
        """The record under a key, or None. What cannot be read counts as none."""
        if time.monotonic() - self._refreshed_at > self._refresh_wait_s:
            await self.refresh()
        record, gone = await self._search(key)
        if record is None and gone and await self.refresh():  # merged away since: it stands elsewhere now
            record, _ = await self._search(key)
        return record

    async def refresh(self) -> int:
        """Looks for segments that others wrote since; returns how many answers came in."""
        self._refreshed_at = time.monotonic()
        try:
            piece = await asyncio.to_thread(load_index, self._files, self._path, frozenset(self._known))
        except OSError:
            return 0  # what others wrote is found a little later
        self._refresh_wait_s = max(REFRESH_S, len(piece.segments) / REFRESH_READS_PER_S)
        self._add(piece)
        return len(piece)

    def add_segment(self, uri: str, segment: bytes, instead_of: Iterable[str] = ()) -> None:
        """Takes in a segment that this process wrote, without reading it again; `instead_of`: what it was merged of."""
        self._known.add(uri)
        self._gone.update(instead_of)
        self._add(build_index([(uri, decode_index(segment))]))

    def _add(self, piece: Index) -> None:
        """Pieces of like size are merged, so that few are searched and an answer is moved a few times only."""
        self._known.update(piece.segments)
        if len(piece):
            self._pieces.append(piece)
        while len(self._pieces) > 1 and len(self._pieces[-2]) <= 2 * len(self._pieces[-1]):
            self._pieces[-2:] = [merge_indexes(self._pieces[-2:], self._gone)]

    async def _search(self, key: bytes) -> tuple[bytes | None, bool]:
        """(record, whether a segment that should have it is gone)."""
        gone = False
        for piece in (*reversed(self._pieces), self._base):
            for place in piece.find(key):
                blob = await self._read(place)
                gone = gone or blob is None
                with suppress(DamagedError):
                    found, record = decode_record(blob or b"")
                    if found == key:
                        return record, gone
        return None, gone

    async def _read(self, place: Place) -> bytes | None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = loop.create_future()
        self._wanted.append((place, future))
        if len(self._wanted) == 1:
            loop.call_later(GATHER_S, self._start_reading)
        return await future

    def _start_reading(self) -> None:
        wanted, self._wanted = self._wanted, []
        task = asyncio.create_task(self._read_all(wanted))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read_all(self, wanted: list[_Wanted]) -> None:
        groups = group_places(sorted({place for place, _ in wanted}))
        shares = [groups[i::READERS] for i in range(min(READERS, len(groups)))]
        loop = asyncio.get_running_loop()
        blobs: dict[Place, bytes] = {}
        for found in await asyncio.gather(*(loop.run_in_executor(self._pool, self._read_share, s) for s in shares)):
            blobs |= found
        for place, future in wanted:
            if not future.done():
                future.set_result(blobs.get(place))

    def _read_share(self, groups: list[list[Place]]) -> dict[Place, bytes]:
        found: dict[Place, bytes] = {}
        for group in groups:
            first, last = group[0], group[-1]
            try:
                data = self._files.read_bytes(first.segment, first.offset, last.offset + last.length - first.offset)
            except OSError:
                continue
            for place in group:
                at = place.offset - first.offset
                found[place] = data[at : at + place.length]
        return found


def group_places(places: list[Place]) -> list[list[Place]]:
    """Sorted places in groups that one read gets: what lies between is cheaper read than asked for again."""
    groups: list[list[Place]] = []
    for place in places:
        last = groups[-1][-1] if groups else None
        near = last is not None and last.segment == place.segment and place.offset - last.offset - last.length <= GAP
        if near and place.offset - groups[-1][0].offset <= LONGEST_READ:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
