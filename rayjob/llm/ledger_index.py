"""Where in the ledger's segments an answer stands: sorted arrays, 20 bytes an answer, loaded once and shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rayjob.llm.segments import ENTRY, DamagedError, Entries, decode_index, hi_of, index_bytes

SUFFIX = ".seg"
#: First read of a segment: all of a small one, and the index of 4,000 answers.
FIRST_READ = 1 << 16
READERS = 16


class Files(Protocol):
    """What the ledger needs of a file system. URIs are `path` of LedgerSpec with something behind it.

    Reading or deleting what is not there raises FileNotFoundError; other trouble raises OSError.
    """

    def read_bytes(self, uri: str, offset: int = 0, length: int | None = None) -> bytes:
        """At most `length` bytes from `offset`."""
        ...

    def write_atomic(self, uri: str, data: bytes) -> None:
        """Nobody ever sees half of it; durable when it returns."""
        ...

    def list_sizes(self, uri: str) -> Mapping[str, int]:
        """Size by URI of every file under a folder; empty where there is no such folder."""
        ...

    def delete(self, uri: str) -> None:
        """Removes one file."""
        ...


class Place(NamedTuple):
    """A record's segment, offset and length."""

    segment: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Sorted arrays of equal length. The engine puts one into Ray's object store; actors read it without a copy."""

    hi: npt.NDArray[np.uint64]
    segment: npt.NDArray[np.uint32]
    offset: npt.NDArray[np.uint32]
    length: npt.NDArray[np.uint32]
    segments: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.hi)

    def find(self, key: bytes) -> Iterator[Place]:
        """Every place that may hold the key; whether one does is only certain once its record is read."""
        hi = np.uint64(hi_of(key))
        at = int(np.searchsorted(self.hi, hi))
        while at < len(self.hi) and self.hi[at] == hi:
            yield Place(self.segments[int(self.segment[at])], int(self.offset[at]), int(self.length[at]))
            at += 1


def build_index(loaded: list[tuple[str, Entries]]) -> Index:
    """One index of several segments' entries. Empties the list: of 10 million answers the index takes 200 MB."""
    names = tuple(name for name, _ in loaded)
    counts = [len(part) for _, part in loaded]
    empty = np.empty(0, ENTRY)
    hi, offset, length = (np.concatenate([empty[f], *(part[f] for _, part in loaded)]) for f in ("hi", "off", "len"))
    loaded.clear()
    segment = np.repeat(np.arange(len(names), dtype=np.uint32), counts)
    order = np.argsort(hi)
    hi = hi[order]  # one after the other, so that only one of them stands twice in memory
    offset = offset[order]
    length = length[order]
    return Index(hi, segment[order], offset, length, names)


def merge_indexes(indexes: Sequence[Index], gone: AbstractSet[str] = frozenset()) -> Index:
    """One index of several, without the segments that are `gone`: what stood in them stands in another by now."""
    names = [name for index in indexes for name in index.segments]
    kept = np.array([name not in gone for name in names], bool)
    base = np.cumsum([0] + [len(index.segments) for index in indexes])
    number = np.concatenate([index.segment + np.uint32(at) for index, at in zip(indexes, base, strict=False)])
    hi = np.concatenate([index.hi for index in indexes])
    order = np.argsort(hi, kind="stable")
    order = order[kept[number[order]]]
    renumbered = (np.cumsum(kept) - 1).astype(np.uint32)
    hi, number = hi[order], renumbered[number[order]]  # one after the other: only one of them stands twice in memory
    offset = np.concatenate([index.offset for index in indexes])[order]
    length = np.concatenate([index.length for index in indexes])[order]
    return Index(hi, number, offset, length, tuple(name for name, is_kept in zip(names, kept, strict=True) if is_kept))


def list_segments(files: Files, path: str) -> list[str]:
    """URIs of all segments, oldest first (their names begin with the time)."""
    return sorted(uri for uri in files.list_sizes(path) if uri.endswith(SUFFIX))


def load_entries(files: Files, uri: str) -> Entries | None:
    """A segment's entries; None where it is damaged or was merged away meanwhile."""
    try:
        head = files.read_bytes(uri, 0, FIRST_READ)
        size = index_bytes(head)
        if size > len(head):
            head += files.read_bytes(uri, len(head), size - len(head))
        return decode_index(head)
    except (DamagedError, FileNotFoundError):
        return None


def load_index(files: Files, path: str, known: frozenset[str] = frozenset()) -> Index:
    """The index of all segments under `path` that are not `known`; several are read at a time."""
    names = [uri for uri in list_segments(files, path) if uri not in known]
    if not names:
        return build_index([])
    with ThreadPoolExecutor(min(READERS, len(names))) as pool:
        parts = pool.map(lambda uri: load_entries(files, uri), names)
        return build_index([(uri, part) for uri, part in zip(names, parts, strict=True) if part is not None])
