"""The ledger's file format: an immutable segment of answered questions. Pure bytes in, bytes out.

    header  magic 4s, count u32, crc32 of the index u32, zero u32
    index   count x (first 8 bytes of the key as u64, offset into the data u32, length u32), sorted
    data    records in order of arrival: key 16s, crc32 of key and payload u32, payload (zlib of a record's JSON)

The index comes first, so that one short read loads a small segment whole. Data stays in order of arrival, because rows
that were asked together are looked up together. A segment that is cut off or damaged reads as what is sound in it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"RJL1"
HEADER = struct.Struct("<4sIII")
ENTRY = np.dtype([("hi", "<u8"), ("off", "<u4"), ("len", "<u4")])
RECORD_HEAD = struct.Struct("<16sI")

Entries = npt.NDArray[Any]


class DamagedError(Exception):
    """Bytes that are no (whole) segment."""


def hi_of(key: bytes) -> int:
    """The part of a key that indexes hold."""
    return int.from_bytes(key[:8], "little")


def encode_record(key: bytes, record: bytes) -> bytes:
    """A record as it stands in the data."""
    payload = zlib.compress(record, 1)
    return RECORD_HEAD.pack(key, zlib.crc32(payload, zlib.crc32(key))) + payload


def decode_record(blob: bytes) -> tuple[bytes, bytes]:
    """(key, record) of one encoded record; raises DamagedError."""
    if len(blob) < RECORD_HEAD.size:
        raise DamagedError("a record is cut off")
    key, crc = RECORD_HEAD.unpack_from(blob)
    payload = blob[RECORD_HEAD.size :]
    if zlib.crc32(payload, zlib.crc32(key)) != crc:
        raise DamagedError("a record does not match its checksum")
    return key, zlib.decompress(payload)


def encode_segment(encoded: Mapping[bytes, bytes]) -> bytes:
    """A segment of encoded records by key, in the mapping's order."""
    entries = np.empty(len(encoded), ENTRY)
    lengths = np.fromiter((len(blob) for blob in encoded.values()), "<u4", len(encoded))
    entries["hi"] = [hi_of(key) for key in encoded]
    entries["len"] = lengths
    entries["off"] = np.concatenate(([0], np.cumsum(lengths[:-1], dtype="<u4"))) if encoded else 0
    index = entries[np.argsort(entries["hi"], kind="stable")].tobytes()
    return HEADER.pack(MAGIC, len(encoded), zlib.crc32(index), 0) + index + b"".join(encoded.values())


def index_bytes(head: bytes) -> int:
    """How many bytes header and index take, from a segment's first bytes; raises DamagedError."""
    if len(head) < HEADER.size or head[:4] != MAGIC:
        raise DamagedError("not a ledger segment")
    return HEADER.size + int(HEADER.unpack_from(head)[1]) * ENTRY.itemsize


def decode_index(head: bytes) -> Entries:
    """The sorted entries of a segment, offsets made absolute, from its header and index; raises DamagedError."""
    size = index_bytes(head)
    _, _, crc, _ = HEADER.unpack_from(head)
    index = head[HEADER.size : size]
    if len(head) < size or zlib.crc32(index) != crc:
        raise DamagedError("the index does not match its checksum")
    entries = np.frombuffer(index, ENTRY).copy()
    entries["off"] += size
    return entries


def iter_records(segment: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, encoded record) of every sound record, in order of arrival; raises DamagedError where the index is not."""
    for entry in np.sort(decode_index(segment), order="off"):
        blob = segment[int(entry["off"]) : int(entry["off"]) + int(entry["len"])]
        try:
            key, _ = decode_record(blob)
        except DamagedError:
            continue
        yield key, blob


def merge_segments(segments: Iterable[bytes]) -> bytes:
    """One segment with every sound record of these; of two answers to one question the first stays."""
    kept: dict[bytes, bytes] = {}
    for segment in segments:
        try:
            for key, blob in iter_records(segment):
                kept.setdefault(key, blob)
        except DamagedError:
            continue
    return encode_segment(kept)
