"""Splits a JSON document (an array, one object, or several one after the other) into its records without parsing it
whole.

A record that is broken inside its brackets costs that record. One whose end cannot be found costs what lies up to the
next place where a record begins as the first one did (an object with the same first key).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rayjob.labels.records import ALL_ROWS, Record, Share
from rayjob.store.jsonread import BOM, MAX_RECORD_BYTES, UTF16_BOMS, Stream, make_record, show

CHUNK_BYTES = 1 << 20
#: Between strings and brackets a JSON value has only these: numbers, true, false, null, NaN, Infinity, blanks, `,`
#: and `:`.
PLAIN = rb"[\s,:\d.+\-eEtrufalsnNIiy]*+"
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
TOKEN = re.compile(PLAIN + rb"(" + STRING + rb"|[{}\[\]])", re.DOTALL)
PLAIN_RUN = re.compile(PLAIN)
SCALAR = re.compile(STRING + rb"|-?\d[\d.eE+\-]*+|true|false|null|NaN|-?Infinity", re.DOTALL)
BLANK = re.compile(rb"[\s,]*")
PARTNER = {ord("}"): ord("{"), ord("]"): ord("[")}
FIRST_KEY = re.compile(rb'\{\s*("[^"\\]{0,80}")\s*:')


class _NoEndError(Exception):
    """The record at the cursor has no end in what may be read; says why."""


class _Document:
    """A window on the stream: `data[at:]` is what is not yet read as records."""

    def __init__(self, stream: Stream, max_bytes: int) -> None:
        self.stream = stream
        self.max_bytes = max_bytes
        self.data = b""
        self.at = 0
        self.lines = 1
        self.offset = 0
        self.ended = False

    def grow(self) -> bool:
        """Reads on, and forgets what was read as records. False at the end of the stream."""
        if self.ended:
            return False
        chunk = self.stream.read(max(CHUNK_BYTES, len(self.data) - self.at))
        self.ended = not chunk
        self.data = self.data[self.at :] + chunk
        self.offset += self.at
        self.at = 0
        return not self.ended

    def advance(self, end: int) -> None:
        """Moves the cursor, counting lines."""
        self.lines += self.data.count(b"\n", self.at, end)
        self.at = end

    def skip(self, pattern: re.Pattern[bytes]) -> bytes:
        """Skips `pattern`; the next byte, b"" at the end of the stream."""
        while True:
            match = pattern.match(self.data, self.at)
            self.advance(match.end() if match else self.at)
            if self.at < len(self.data) or not self.grow():
                return self.data[self.at : self.at + 1]


def read_document(stream: Stream, max_bytes: int = MAX_RECORD_BYTES, share: Share = ALL_ROWS) -> Iterator[Record]:
    """The records of a document: the items of a top-level array, or the values one after the other.

    `row` counts from 0.
    """
    document = _Document(stream, max_bytes)
    document.grow()
    document.at = len(BOM) if document.data.startswith(BOM) else 0
    if document.data.startswith(UTF16_BOMS):
        if share.has(0):
            yield Record(0, error="not UTF-8 but UTF-16; save the file as UTF-8", line=1)
        return
    in_array = document.skip(BLANK) == b"["
    if in_array:
        document.advance(document.at + 1)
    yield from _read_items(document, in_array, share)


def _read_items(document: _Document, in_array: bool, share: Share) -> Iterator[Record]:
    row, closed, first_key = 0, not in_array, b""
    while byte := document.skip(BLANK):
        if byte == b"]" and in_array and not closed:
            document.advance(document.at + 1)
            closed = True
            continue
        line, start = document.lines, document.offset + document.at
        try:
            end = _find_end(document)
            text = document.data[document.at : end]
            if not first_key and (found := FIRST_KEY.match(text)):
                first_key = found.group(1)
            document.advance(end)
            if share.has(row):
                yield make_record(text, row, line)
        except _NoEndError as error:
            shown = show(document.data[document.at : document.at + 200])
            more = _resynchronise(document, first_key)
            rest = "" if more else "; the rest of the file is left out"
            if share.has(row):
                yield Record(row, error=f"broken JSON at byte {start:,}: {error}{rest}: {shown}", line=line)
        row += 1
    if not closed and share.has(row):
        yield Record(row, error="the array is not closed: the file ends early", line=document.lines)


def _find_end(document: _Document) -> int:
    """Where the value at the cursor ends. Raises _NoEndError."""
    if document.data[document.at : document.at + 1] not in (b"{", b"["):
        return _find_scalar_end(document)
    opened, at = bytearray(), document.at
    while True:
        token = TOKEN.match(document.data, at)
        if token is None:
            at = _read_more(document, at)
            continue
        at = token.end()
        if at - token.start(1) == 1:
            _track(opened, document.data[at - 1], token)
            if not opened:
                return at


def _track(opened: bytearray, byte: int, token: re.Match[bytes]) -> None:
    """Keeps the brackets that are open. A bracket that cannot stand here is found here, not at the end of the file."""
    if byte in b"{[":
        after_colon = b":" in token.group()
        if opened and after_colon != (opened[-1] == ord("{")):
            raise _NoEndError(f"unexpected {chr(byte)!r}: a closing bracket or a key is missing before it")
        opened.append(byte)
    elif opened.pop() != PARTNER[byte]:
        raise _NoEndError(f"{chr(byte)!r} closes a bracket of the other kind")


def _find_scalar_end(document: _Document) -> int:
    while True:
        match = SCALAR.match(document.data, document.at)
        if match and (match.end() < len(document.data) or document.ended):
            return match.end()
        if match is None and document.data[document.at : document.at + 1] != b'"':
            raise _NoEndError("no JSON value begins here")
        _read_more(document, document.at)


def _read_more(document: _Document, at: int) -> int:
    """Grows the window under a scan that stands at `at`; the same place in the grown window."""
    run = PLAIN_RUN.match(document.data, at)
    stop = run.end() if run else at
    if stop < len(document.data) and document.data[stop : stop + 1] != b'"':
        raise _NoEndError(f"unexpected {show(document.data[stop : stop + 1])} outside a string")
    if len(document.data) - document.at > document.max_bytes:
        raise _NoEndError(f"no end within {document.max_bytes:,} bytes")
    moved = document.at
    if not document.grow():
        raise _NoEndError("the file ends inside it")
    return at - moved


def _resynchronise(document: _Document, first_key: bytes) -> bool:
    """Moves the cursor to the next record that begins like the first one; False where there is none (the stream is
    read up).
    """
    if not first_key:
        first = FIRST_KEY.match(document.data, document.at)
        first_key = first.group(1) if first else b""
    begins = re.compile(rb"[\s,\[](\{\s*" + re.escape(first_key) + rb"\s*:)") if first_key else None
    document.advance(min(document.at + 1, len(document.data)))
    while begins:
        if found := begins.search(document.data, document.at):
            document.advance(found.start(1))
            return True
        # What was searched may go, but for a record's beginning that is cut in two.
        document.advance(max(document.at, len(document.data) - 256))
        if not document.grow():
            break
    while document.grow():
        document.advance(len(document.data))
    document.advance(len(document.data))
    return False
