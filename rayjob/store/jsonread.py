"""Reads JSON Lines and JSON documents record by record from a stream, holding one record at a time.

Reads bytes, opens nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Protocol

import orjson

from rayjob.labels.markup import SURROGATE
from rayjob.labels.records import ALL_ROWS, Record, Share

#: A record longer than this is refused, so that a broken file cannot fill the memory.
MAX_RECORD_BYTES = 64 << 20
BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
SHOWN_CHARS = 60
DOCUMENT_START = re.compile(rb"\s*(?:\[[ \t\r]*\n|\{[ \t\r]*\n\s*[\"}])")


class Stream(Protocol):
    """A buffered stream of bytes."""

    def readline(self, size: int = -1, /) -> bytes: ...
    def read(self, size: int = -1, /) -> bytes: ...
    def peek(self, size: int = 0, /) -> bytes: ...


def is_document(stream: Stream) -> bool:
    """Whether a .jsonl file is one JSON document after all: its first line is an opening bracket or brace alone."""
    return DOCUMENT_START.match(stream.peek(4096).removeprefix(BOM)) is not None


def read_lines(stream: Stream, max_bytes: int = MAX_RECORD_BYTES, share: Share = ALL_ROWS) -> Iterator[Record]:
    """One record a line, blank lines left out; `row` and `line` are the line's number from 1."""
    number = 0
    while line := stream.readline(max_bytes):
        number += 1
        if len(line) == max_bytes and not line.endswith(b"\n"):
            _skip_line(stream, max_bytes)
            if share.has(number):
                yield Record(number, error=f"the line is longer than {max_bytes:,} bytes", line=number)
            continue
        if not share.has(number):
            continue
        text = line.removeprefix(BOM).strip() if number == 1 else line.strip()
        if text:
            yield make_record(text, number, number)


def _skip_line(stream: Stream, max_bytes: int) -> None:
    while (rest := stream.readline(max_bytes)) and not rest.endswith(b"\n"):
        pass


def make_record(text: bytes, row: int, line: int) -> Record:
    """The record in `text`, or what is wrong with it."""
    try:
        return Record(row, parse_value(text), line=line)
    except ValueError as error:
        return Record(row, error=f"{error}: {show(text)}", line=line)


def parse_value(text: bytes) -> object:
    """The JSON value in `text`. Raises ValueError saying what is wrong and where in `text`.

    orjson first; what it refuses and Python takes is taken: lone surrogates (each becomes U+FFFD), control characters
    inside strings, NaN.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    if text.startswith(UTF16_BOMS):
        raise ValueError("not UTF-8 but UTF-16; save the file as UTF-8")
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{text[error.start]:02x} at offset {error.start:,}") from None
    try:
        return _replace_surrogates(json.loads(decoded, strict=False))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos:,}") from None
    except RecursionError:
        raise ValueError("not readable: nested too deeply") from None


def _replace_surrogates(value: object) -> object:
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value


def show(text: bytes) -> str:
    """The beginning of `text`, safe to print."""
    start = ascii(text[:SHOWN_CHARS].decode("utf-8", "replace"))
    return start if len(text) <= SHOWN_CHARS else f"{start}…"
