"""Every function of the door to files, against a real S3 server process, with the faults that S3 has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.store import files
from rayjob.store.errors import StoreError
from rayjob.store.formats import read_records
from tests.s3_faults import faulty
from tests.s3_server import environment, make_bucket, remove_bucket, s3, s3_process

__all__ = ["s3", "s3_process"]
pytestmark = pytest.mark.s3

LINES = b'{"messages": [{"role": "user", "content": "hi"}]}\n' * 3


def test_a_file_is_written_read_and_removed(s3: str) -> None:
    uri = "s3://bucket/atomic/run.json"
    assert not files.exists(uri)
    files.write_atomic(uri, b"one")
    files.write_atomic(uri, "zwei")
    assert files.read_text(uri) == "zwei"
    assert files.size(uri) == 4
    files.delete(uri)
    files.delete(uri)
    assert not files.exists(uri)


def test_a_file_of_several_parts_appears_when_it_is_closed(s3: str) -> None:
    uri = "s3://bucket/parts/big.bin"
    with files.open_output(uri) as stream:
        for _ in range(3):
            stream.write(b"x" * (6 << 20))
            assert not files.exists(uri)
    assert files.size(uri) == 18 << 20


def test_folders_and_globs_list_what_lies_below(s3: str) -> None:
    for name in ("a.jsonl", "deep/b.jsonl", "deep/er/c.jsonl", "deep/notes.txt"):
        files.write_atomic(f"s3://bucket/tree/{name}", LINES)
    assert files.list_folder("s3://bucket/tree") == ["s3://bucket/tree/a.jsonl"]
    assert len(files.list_folder("s3://bucket/tree", recursive=True)) == 4
    assert files.list_folder("s3://bucket/nothing-here") == []
    assert files.glob("s3://bucket/tree/*/*.jsonl") == ["s3://bucket/tree/deep/b.jsonl"]
    assert len(files.glob("s3://bucket/tree/**/*.jsonl")) == 3
    assert files.is_folder("s3://bucket/tree/deep")
    listing = files.list_input("s3://bucket/tree")
    assert [file.name for file in listing.files] == ["a.jsonl", "deep/b.jsonl", "deep/er/c.jsonl"]
    assert listing.ignored == ("s3://bucket/tree/deep/notes.txt",)
    files.delete_folder("s3://bucket/tree")
    assert files.list_folder("s3://bucket/tree", recursive=True) == []


def test_records_are_read_from_json_lines_gzip_and_parquet(s3: str) -> None:
    files.write_atomic("s3://bucket/in/a.jsonl", LINES)
    files.write_atomic("s3://bucket/in/b.jsonl.zst", pa.compress(LINES, codec="zstd", asbytes=True))
    with files.open_output("s3://bucket/in/c.parquet") as stream:
        pq.write_table(pa.table({"instruction": ["a", "b"], "output": ["c", "d"]}), stream)
    counts = [sum(not record.error for record in read_records(file.uri)) for file in files.list_files("s3://bucket/in")]
    assert counts == [3, 3, 2]


@pytest.mark.parametrize(
    ("uri", "kind", "says"),
    [
        ("s3://bucket/none.jsonl", "missing", "s3://bucket/none.jsonl: "),
        ("s3://no-such-bucket-anywhere/x.jsonl", "missing", "s3://no-such-bucket-anywhere/x.jsonl: "),
        ("s3://", "invalid", "no bucket is named"),
        ("gs://bucket/x.jsonl", "invalid", "gs:// cannot be read"),
    ],
)
def test_what_cannot_be_read_says_so(s3: str, uri: str, kind: str, says: str) -> None:
    with pytest.raises(StoreError) as caught:
        list(read_records(uri))
    assert caught.value.kind == kind
    assert says in str(caught.value)


def test_a_bucket_that_disappears_is_missing(s3: str) -> None:
    make_bucket(s3, "short-lived")
    files.write_atomic("s3://short-lived/a.json", b"{}")
    files.delete("s3://short-lived/a.json")
    remove_bucket(s3, "short-lived")
    with pytest.raises(StoreError) as caught:
        files.write_atomic("s3://short-lived/a.json", b"{}")
    assert caught.value.kind == "missing"


def test_slow_down_and_dropped_connections_are_ridden_out(s3: str) -> None:
    files.write_atomic("s3://bucket/faults/a.jsonl", LINES)
    with faulty(s3) as (endpoint, faults), environment({"AWS_ENDPOINT_URL_S3": endpoint}):
        faults.slow_down, faults.dropped = 2, 1
        assert sum(1 for _ in read_records("s3://bucket/faults/a.jsonl")) == 3
        faults.slow_down = 2
        files.write_atomic("s3://bucket/faults/b.json", b"written")
        assert (faults.slow_down, faults.dropped) == (0, 0)
    assert files.read_bytes("s3://bucket/faults/b.json") == b"written"


def test_a_server_that_is_not_there_is_out_of_reach(s3: str) -> None:
    with faulty(s3) as (endpoint, faults), environment({"AWS_ENDPOINT_URL_S3": endpoint}):
        faults.slow_down = 10**6
        with environment({"RAYJOB_S3_ATTEMPTS": "2"}), pytest.raises(StoreError) as caught:
            files.write_atomic("s3://bucket/faults/c.json", b"never")
    assert caught.value.kind == "unreachable"
    assert "run the same command again" in str(caught.value)
    assert not files.exists("s3://bucket/faults/c.json")
