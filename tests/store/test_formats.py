"""Whole files of every kind, whole and damaged."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.labels.conversation import parse_record
from rayjob.store.errors import StoreError
from rayjob.store.formats import Record, Share, read_records
from rayjob.store.jsonscan import read_document
from tests.shared_data import shared

LINE = b'{"messages": [{"role": "user", "content": "hi \xe4\xbd\xa0"}, {"role": "assistant", "content": "ho"}]}\n'


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def errors(records: list[Record]) -> list[str]:
    return [record.error for record in records if record.error]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.txt", "no-extension"])
@pytest.mark.parametrize("codec", ["", ".gz", ".zst"])
def test_lines_are_read_whatever_the_file_is_called(tmp_path: Path, name: str, codec: str) -> None:
    data = {"": LINE * 5, ".gz": gzip.compress(LINE * 2) + gzip.compress(LINE * 3)}
    packed = data.get(codec) or pa.compress(LINE * 5, codec="zstd", asbytes=True)
    records = list(read_records(write(tmp_path / (name + codec), packed)))
    assert errors(records) == []
    assert len(records) == 5


def test_limit_reads_no_more(tmp_path: Path) -> None:
    assert len(list(read_records(write(tmp_path / "a.jsonl", LINE * 5), limit=2))) == 2


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_breaks_off_gives_what_came_before(tmp_path: Path, suffix: str) -> None:
    lines = b"".join(LINE.replace(b"hi", b"%d" % number) for number in range(20_000))
    packed = gzip.compress(lines) if suffix == ".gz" else pa.compress(lines, codec="zstd", asbytes=True)
    records = list(read_records(write(tmp_path / f"a.jsonl{suffix}", packed[: len(packed) // 2])))
    assert len(records) > 1
    assert "damaged" in records[-1].error
    assert len({record.row for record in records}) == len(records)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.zst", "a.parquet"])
def test_junk_is_one_failure(tmp_path: Path, name: str) -> None:
    records = list(read_records(write(tmp_path / name, bytes(range(256)) * 4)))
    assert len(records) == 1
    assert "damaged" in records[0].error


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_an_empty_file_has_no_records(tmp_path: Path, name: str) -> None:
    assert list(read_records(write(tmp_path / name, b""))) == []


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is nothing here"):
        list(read_records(str(tmp_path / "a.jsonl")))


def test_parquet_rows_keep_their_place_and_lose_their_nulls(tmp_path: Path) -> None:
    turns = pa.array([[{"from": "human", "value": f"q{n}"}] for n in range(600)])
    table = pa.table({"conversations": turns, "extra": pa.array([None] * 600, pa.string())})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    records = list(read_records(str(tmp_path / "a.parquet")))
    assert [record.row for record in records] == list(range(600))
    assert records[599].value == {"conversations": [{"from": "human", "value": "q599"}]}


def test_a_parquet_row_that_is_not_utf8_is_its_own_failure(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"not \xff fine", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"instruction": text}), tmp_path / "a.parquet")
    records = list(read_records(str(tmp_path / "a.parquet")))
    assert [bool(record.error) for record in records] == [False, True, False]
    assert records[1].error == "not UTF-8: byte 0xff at offset 4"


@pytest.mark.parametrize(
    ("values", "kind"), [([2**30, 1], pa.date32()), ([2**62, 1], pa.timestamp("us"))], ids=["date", "time"]
)
def test_a_date_beyond_pythons_is_its_rows_failure(tmp_path: Path, values: list[int], kind: pa.DataType) -> None:
    """It ended the run with a traceback."""
    table = pa.table({"instruction": ["a", "b"], "made": pa.array(values, kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    records = list(read_records(str(tmp_path / "a.parquet")))
    assert "the value of column 'made' cannot be read" in records[0].error
    assert isinstance(records[1].value, dict)


def test_a_parquet_file_cut_short_is_one_failure(tmp_path: Path) -> None:
    pq.write_table(pa.table({"instruction": ["a"] * 1000}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    assert len(list(read_records(write(tmp_path / "b.parquet", whole[: len(whole) // 2])))) == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz", "a.parquet"])
def test_shares_of_a_file_are_the_file(tmp_path: Path, name: str) -> None:
    lines = [b"{broken" if row % 501 == 500 else b'{"instruction": "%d"}' % row for row in range(2_000)]
    packed = {
        "a.jsonl": b"\n".join(lines),
        "a.json": b"[" + b",\n".join(lines),
        "a.jsonl.gz": gzip.compress(b"\n".join(lines))[:-20],
    }
    if name in packed:
        (tmp_path / name).write_bytes(packed[name])
    else:
        pq.write_table(
            pa.table({"instruction": [str(row) for row in range(2_000)]}), tmp_path / name, row_group_size=300
        )
    whole = list(read_records(str(tmp_path / name)))
    shares = [list(read_records(str(tmp_path / name), share=Share(index, 3))) for index in range(3)]
    assert sorted((record for share in shares for record in share), key=lambda record: record.row) == whole
    assert name.endswith(".gz") or all(share for share in shares)


@pytest.mark.parametrize(
    ("path", "count", "formats"),
    [
        ("conversations/alpaca_en.json", 150, {"alpaca"}),
        ("conversations/pangu_markers.jsonl", 12, {"pangu"}),
        ("conversations/pangu_multiturn.jsonl", 40, {"pangu"}),
        ("conversations/reason_tool_use.jsonl", 15, {"openai"}),
        ("conversations/sharegpt_toolcall_en.json", 80, {"sharegpt"}),
        ("conversations/v1_sft.jsonl", 60, {"openai"}),
        ("gold108/raw_samples.json", 108, {"sharegpt"}),
    ],
)
def test_real_files_are_read_whole(path: str, count: int, formats: set[str]) -> None:
    records = list(read_records(str(shared(path))))
    assert len(records) == count
    assert {parse_record(record.value).format for record in records} == formats


def test_three_damaged_bytes_cost_three_records_at_most() -> None:
    whole = shared("gold108/raw_samples.json").read_bytes()
    random = Random(7)
    for _ in range(20):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[random.randrange(len(damaged))] = random.choice(b'"{}[]\\,:x\xff')
        records = list(read_document(io.BufferedReader(io.BytesIO(bytes(damaged)))))
        good = [record for record in records if not record.error]
        assert len(good) >= 105
        assert all(parse_record(record.value).turns for record in good)
