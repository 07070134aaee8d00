"""JSON Lines and JSON documents: every record or failure once, streaming, with the line where it stands."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.labels.records import Record
from rayjob.store import jsonscan
from rayjob.store.jsonread import is_document, parse_value, read_lines
from rayjob.store.jsonscan import read_document

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=8)


class Trickle(io.BufferedReader):
    """A stream that gives a few bytes at a time, so that every edge falls somewhere."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(io.BytesIO(data))
        self.step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.step)


def document(data: bytes | str, step: int = 1 << 20, max_bytes: int = 1 << 20) -> list[Record]:
    raw = data.encode() if isinstance(data, str) else data
    return list(read_document(Trickle(raw, step), max_bytes))


def lines(data: bytes, max_bytes: int = 1 << 20) -> list[Record]:
    return list(read_lines(io.BufferedReader(io.BytesIO(data)), max_bytes))


def values(records: list[Record]) -> list[Any]:
    return [record.value for record in records if not record.error]


@settings(max_examples=60)
@given(RECORDS, st.sampled_from([None, 1, 4]), st.integers(1, 9), st.booleans())
def test_a_document_gives_back_its_records_wherever_chunks_end(
    records: list[Any], indent: int | None, step: int, ascii_only: bool
) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    found = document(text.encode("utf-8", "surrogatepass"), step)
    assert [record.error for record in found if record.error] == []
    assert values(found) == records
    assert [record.row for record in found] == list(range(len(records)))


@given(RECORDS, st.integers(1, 9))
def test_objects_one_after_the_other_are_a_document_too(records: list[Any], step: int) -> None:
    assert values(document("\n".join(json.dumps(record, indent=2) for record in records), step)) == records


@given(RECORDS)
def test_lines_give_back_their_records(records: list[Any]) -> None:
    found = lines(b"\xef\xbb\xbf" + "\n\n".join(json.dumps(record) for record in records).encode())
    assert values(found) == records
    assert [record.line for record in found] == list(range(1, 2 * len(records), 2))


@given(st.binary(max_size=400), st.integers(1, 40))
@settings(max_examples=200)
def test_any_bytes_end_in_records_or_failures(data: bytes, step: int) -> None:
    for found in (document(data, step, 64), lines(data, 64)):
        assert len({record.row for record in found}) == len(found)
        assert all(len(record.error) < 500 for record in found)
    assert len(lines(data, 1 << 20)) == sum(
        bool(line.strip()) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    )


GOOD = '{"id": 1, "conversations": [{"from": "human", "value": "a"}]}'
BROKEN = {
    "a missing brace": '{"id": 2, "conversations": [{"from": "human", "value": "a"}]',
    "a missing bracket": '{"id": 2, "conversations": [{"from": "human", "value": "a"}}',
    "a missing quote": '{"id": 2, "conversations": [{"from": "human", "value": "a}]}',
    "an unescaped quote": '{"id": 2, "conversations": [{"from": "human", "value": "say "hi" now"}]}',
    "a missing comma": '{"id": 2 "conversations": [{"from": "human", "value": "a"}]}',
    "junk": '{"id": 2, #!? }',
    "a bad literal": '{"id": nul}',
    "a trailing comma": '{"id": 2,}',
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("step", [7, 1 << 20])
def test_a_broken_record_in_the_middle_costs_that_record(broken: str, step: int) -> None:
    found = document(f"[\n{GOOD},\n{broken},\n{GOOD},\n{GOOD}\n]\n", step)
    assert [bool(record.error) for record in found] == [False, True, False, False]
    assert [record.row for record in found] == [0, 1, 2, 3]
    assert [record.line for record in found] == [2, 3, 4, 5]


def test_a_file_that_ends_early_is_one_failure_with_its_place() -> None:
    found = document(f"[{GOOD},\n{GOOD[:40]}")
    assert [record.line for record in found] == [1, 2, 2]
    assert "broken JSON at byte 64: the file ends inside it; the rest of the file is left out" in found[1].error
    assert found[2].error == "the array is not closed: the file ends early"


def test_binary_junk_is_one_failure_as_a_document_and_one_a_line_as_lines() -> None:
    junk = bytes(range(128, 256)) * 50 + b"\n" + bytes(range(128, 256))
    assert [record.row for record in document(junk)] == [0]
    assert "no JSON value begins here" in document(junk)[0].error
    assert [record.row for record in lines(junk)] == [1, 2]
    assert all(record.error.startswith("not UTF-8: byte 0x80 at offset 0") for record in lines(junk))


def test_what_is_too_long_is_refused_and_the_rest_is_read() -> None:
    long = '{"id": "' + "x" * 5_000 + '"}'
    assert [bool(r.error) for r in lines(f"{GOOD}\n{long}\n{GOOD}\n".encode(), 1_000)] == [False, True, False]
    found = document(f"[{GOOD},{long},{GOOD}]", 100, 1_000)
    assert [bool(record.error) for record in found] == [False, True, False]
    assert "no end within 1,000 bytes" in found[1].error


def test_memory_is_bounded_by_the_longest_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonscan, "CHUNK_BYTES", 1_000)
    held: list[int] = []

    def watched(self: Any) -> bool:
        held.append(len(self.data))
        return original(self)

    original = jsonscan._Document.grow
    monkeypatch.setattr(jsonscan._Document, "grow", watched)
    text = ("[" + ",".join([GOOD] * 2_000) + "]").encode()
    assert len(list(read_document(io.BufferedReader(io.BytesIO(text))))) == 2_000
    assert max(held) < 3_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"\\ud800 and \\ud83d\\ude00"', "\ufffd and 😀"),
        (b'{"\\udfff": ["\\ud800"]}', {"\ufffd": ["\ufffd"]}),
        (b'"a\x00b\tc"', "a\x00b\tc"),
        (b"[Infinity]", [float("inf")]),
    ],
)
def test_what_is_taken_beyond_strict_json(text: bytes, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"a": 1', "not JSON: Expecting ',' delimiter at character 7"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at offset 7"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 but UTF-16"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said(text: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        parse_value(text)


@pytest.mark.parametrize(
    ("start", "is_one"),
    [(b'[\n{"a": 1}\n]', True), (b'\xef\xbb\xbf  {\n"a": 1}', True), (b'{"a": 1}\n{"a": 2}', False), (b"", False)],
)
def test_a_document_in_a_jsonl_file_is_recognised(start: bytes, is_one: bool) -> None:
    assert is_document(io.BufferedReader(io.BytesIO(start))) is is_one


@pytest.mark.parametrize("text", ["", " \n ", "\ufeff", "[]", "[\n]\n"])
def test_an_empty_document_has_no_records(text: str) -> None:
    assert document(text) == []
