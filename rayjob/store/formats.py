"""Input files → records, streaming.

A record that cannot be read is a Record with an error; only the store itself raises.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import cast

import pyarrow as pa

from rayjob.labels.records import Record
from rayjob.store.errors import translate
from rayjob.store.files import open_input
from rayjob.store.jsonread import Stream, is_document, read_lines
from rayjob.store.jsonscan import read_document
from rayjob.store.kinds import split_kind
from rayjob.store.parquetread import read_parquet

__all__ = ["Record", "read_records"]

#: One request to S3 each.
BUFFER_BYTES = 4 << 20
CODECS = {".gz": "gzip", ".zst": "zstd"}
#: How Arrow's codecs say that the bytes are not theirs, or end early.
CODEC_ERRORS = ("zlib", "ZSTD", "Truncated compressed stream", "compressed")


def read_records(uri: str, limit: int | None = None) -> Iterator[Record]:
    """The records of one file, in order, at most `limit`. The extension says what it is; no extension is JSON.

    Raises StoreError where the file is missing, forbidden or out of reach. What is wrong inside it is a Record with
    an error; a file that breaks off gives the records before and one failure.
    """
    kind, codec = split_kind(uri)
    records = read_parquet(uri) if kind == "parquet" else _read_json(uri, kind, codec)
    return islice(records, limit)


def _read_json(uri: str, kind: str, codec: str) -> Iterator[Record]:
    last = Record(-1 if kind == "json" else 0)
    with open_input(uri) as file:
        stream = _buffered(file, codec)
        try:
            lines = kind == "jsonl" and not is_document(stream)
            for record in read_lines(stream) if lines else read_document(stream):
                last = record
                yield record
        except OSError as error:
            message = str(error)
            if not codec or not any(hint in message for hint in CODEC_ERRORS):
                raise translate(error, uri) from error
            yield Record(
                last.row + 1, error=f"damaged {codec} file, the rest of it is left out: {message[:200]}", line=last.line
            )


def _buffered(file: pa.NativeFile, codec: str) -> Stream:
    raw = pa.CompressedInputStream(file, CODECS[codec]) if codec else file
    return cast(Stream, io.BufferedReader(raw, BUFFER_BYTES))
