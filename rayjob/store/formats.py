"""Input files → records, streaming.

A record that cannot be read is a Record with an error; only the store itself raises.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import cast

import pyarrow as pa

from rayjob.labels.records import ALL_ROWS, NO_ROWS, Record, Share
from rayjob.store.errors import translate
from rayjob.store.files import open_input
from rayjob.store.jsonread import Stream, is_document, read_lines
from rayjob.store.jsonscan import read_document
from rayjob.store.kinds import split_kind
from rayjob.store.parquetread import read_parquet

__all__ = ["Record", "Share", "read_records"]

#: One request to S3 each.
BUFFER_BYTES = 4 << 20
#: Unpacked at a time: so much is lost at most before the place where a packed file is damaged.
PIECE_BYTES = 64 << 10
CODECS = {".gz": "gzip", ".zst": "zstd"}
#: How Arrow's codecs say that the bytes are not theirs, or end early.
CODEC_ERRORS = ("zlib", "ZSTD", "Truncated compressed stream", "compressed")


def read_records(uri: str, limit: int | None = None, share: Share = ALL_ROWS) -> Iterator[Record]:
    """The records of one file, in order, at most `limit`. The extension says what it is; no extension is JSON.

    Raises StoreError where the file is missing, forbidden or out of reach. What is wrong inside it is a Record with
    an error; a file that breaks off gives the records before and one failure. A `share` reads its rows only; packed
    files are not divided: the first share has them whole.
    """
    kind, codec = split_kind(uri)
    if codec and share.count > 1:
        share = ALL_ROWS if share.index == 0 else NO_ROWS
    records = read_parquet(uri, share) if kind == "parquet" else _read_json(uri, kind, codec, share)
    return islice(records, limit)


def _read_json(uri: str, kind: str, codec: str, share: Share) -> Iterator[Record]:
    if share == NO_ROWS:
        return
    last = Record(-1 if kind == "json" else 0)
    with open_input(uri) as file:
        unpacked = _Unpacked(file, codec) if codec else None
        stream = cast(Stream, io.BufferedReader(unpacked or file, BUFFER_BYTES))
        try:
            lines = kind == "jsonl" and not is_document(stream)
            read = read_lines if lines else read_document
            for record in read(stream, share=share):
                last = record
                yield record
        except OSError as error:
            raise translate(error, uri) from error
    if unpacked and unpacked.damage:
        why = f"damaged {codec} file, the rest of it is left out: {unpacked.damage}"
        yield Record(last.row + 1, error=why, line=last.line)


class _Unpacked(io.RawIOBase):
    """What a packed file holds, up to where it is damaged: there it ends, and `damage` says why."""

    def __init__(self, file: pa.NativeFile, codec: str) -> None:
        self.stream = pa.CompressedInputStream(file, CODECS[codec])
        self.damage = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self.damage:
            return 0
        try:
            data = self.stream.read(min(len(buffer), PIECE_BYTES))
        except OSError as error:
            if not any(hint in str(error) for hint in CODEC_ERRORS):
                raise
            self.damage = str(error)[:200]
            return 0
        buffer[: len(data)] = data
        return len(data)
