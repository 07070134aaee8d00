"""The first stage on large input: files divided into shares, and how far it is."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.engine import prepare
from rayjob.engine.prepare import divide, prepare_rows
from rayjob.engine.ticker import ParquetRows, RowCounter, Ticker
from rayjob.labels.records import Share
from rayjob.spec.load import load_spec
from rayjob.spec.model import JobSpec
from rayjob.store.listing import FileInfo, list_input
from tests.engine.rig import make_job, provider

ROWS = 1_000


def records() -> list[dict[str, Any]]:
    return [{"instruction": f"question {number}", "output": f"answer {number}"} for number in range(ROWS)]


def write(folder: Path) -> None:
    """The same rows in every kind of file, JSON Lines with blank and broken lines between."""
    folder.mkdir()
    lines = [json.dumps(record) for record in records()]
    lines[700:700] = ["", "{broken"]
    (folder / "lines.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "array.json").write_text(json.dumps(records(), indent=1), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records()), folder / "table.parquet")
    with pa.CompressedOutputStream(str(folder / "packed.jsonl.gz"), "gzip") as packed:
        packed.write("\n".join(lines).encode())


def job(limit: int | None = None) -> JobSpec:
    text = (
        "rayjob: 1\nname: big\ninput: {path: input" + (f", limit: {limit}" if limit else "") + "}\n"
        "taxonomy: taxonomy\nmodels: {worker: {model: offline/lexical}}\n"
        "steps:\n  - label: {dimensions: [intent], model: worker, prompt: first.j2}\noutput: out\n"
    )
    return load_spec(text, "spec.yaml").job


def file_of(name: str, size: int) -> FileInfo:
    return FileInfo(name, size, "jsonl", name)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_shares_of_a_file_are_the_file(tmp_path: Path, count: int) -> None:
    write(tmp_path / "input")
    asked = job()
    for info in list_input([str(tmp_path / "input")], "").files:
        whole = list(prepare_rows(asked, [info]))
        shares = [list(prepare_rows(asked, [info], Share(index, count))) for index in range(count)]
        assert sorted((row for rows in shares for row in rows), key=lambda row: row["row"]) == whole, info.name
        assert len(whole) == ROWS + ("lines" in info.name or "packed" in info.name)
        if count == 3 and "packed" not in info.name:
            assert min(len(rows) for rows in shares) >= 200


def test_large_files_are_divided_and_packed_or_limited_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "BYTES_A_SHARE", 100)
    files = [file_of("big.jsonl", 250), file_of("small.json", 99)]
    work = divide(job(), [*files, file_of("big.jsonl.zst", 999), file_of("huge.parquet", 99_999)])
    assert [(inputs[0].name, share) for inputs, share in work[:5]] == [
        ("big.jsonl", Share(0, 3)), ("big.jsonl", Share(1, 3)), ("big.jsonl", Share(2, 3)), ("small.json", Share()),
        ("big.jsonl.zst", Share()),
    ]  # fmt: skip
    assert [share.count for _, share in work[5:]] == [prepare.MOST_SHARES] * prepare.MOST_SHARES
    assert divide(job(limit=5), files) == [(files, Share())]


def test_an_input_that_changed_since_it_was_read_is_told(tmp_path: Path) -> None:
    write(tmp_path / "input")
    asked = job()
    asked = asked.model_copy(update={"input": asked.input.model_copy(update={"path": str(tmp_path / "input")})})
    done = prepare.describe(prepare.list_files(asked))
    assert prepare.changed_input(asked, done) == []
    assert prepare.changed_input(asked, {}) == []  # read by an older version
    (tmp_path / "input" / "more.jsonl").write_text("{}\n", encoding="utf-8")
    (note,) = prepare.changed_input(asked, done)
    assert "(4 files of" in note
    assert ", 5 of" in note
    gone = asked.model_copy(update={"input": asked.input.model_copy(update={"path": str(tmp_path / "gone")})})
    assert prepare.changed_input(gone, done) == []


def test_rows_are_counted_as_their_files_appear(tmp_path: Path) -> None:
    rows = ParquetRows(str(tmp_path / "stages" / "1-prepare"))
    assert rows.count() == 0
    stage = tmp_path / "stages" / "1-prepare"
    stage.mkdir(parents=True)
    for number in range(2):
        pq.write_table(pa.table({"uid": ["a"] * 1_500}), stage / f"{number}.parquet")
        assert rows.count() == 1_500 * (number + 1)
    (stage / "2.parquet").write_bytes(b"PAR1 and no footer yet")
    assert rows.count() == 3_000


def test_a_ticker_tells_until_its_block_ends() -> None:
    told = threading.Event()
    calls: list[str] = []
    counter = RowCounter(10)

    def tell() -> None:
        calls.append(counter())
        told.set()

    counter.add(4)
    with Ticker(tell, every_s=0.001):
        assert told.wait(10)
    assert calls[0] == "4 of 10 rows"
    after = len(calls)
    assert threading.active_count() < 50
    assert len(calls) == after


@pytest.mark.ray
@pytest.mark.timeout(120)
def test_a_large_file_is_prepared_in_shares_by_ray(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "BYTES_HERE", 0)
    monkeypatch.setattr(prepare, "BYTES_A_SHARE", 50_000)
    with provider() as (server, paid):
        job = make_job(tmp_path, server.url, rows=1_000)
        done = job.call()
        assert done.code == 0, done.out
    assert (len(job.uids()), set(job.uids().values())) == (1_000, {1})
    assert paid.twice == 0
    assert len(list((job.out / "stages" / "1-prepare").glob("*.parquet"))) >= 2
