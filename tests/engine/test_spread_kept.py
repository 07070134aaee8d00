"""A spread run that is interrupted, partly accepted or mended: nothing is paid twice, every row goes one way."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayjob.engine.embedding import VectorFiles
from rayjob.engine.spread_table import open_table
from rayjob.engine.spreading import Spreading
from rayjob.steps.embed import vector_column
from rayjob.store.parquetwrite import write_parquet
from rayjob.vectors.check import SpreadError
from tests.cli.commands import call
from tests.engine.rig import TOPIC, Job
from tests.engine.test_spread_run import assert_right, make
from tests.llm_server import Body, Script, serve, status

pytestmark = [pytest.mark.ray, pytest.mark.timeout(230)]

#: Two models behind an API: one embeds, one labels. Intent follows from the question, topic from nothing.
SPEC = """\
rayjob: 1
name: kept
input: input
taxonomy: taxonomy
models:
  worker: {{model: openai/scripted, api_base: "{url}", structured: schema, limits: {{concurrency: 8}}}}
  embedder: {{model: openai/small, api_base: "{url}", price: {{input_usd_per_mtok: 10}}}}
steps:
  - embed: {{text: query, model: embedder, batch: 16}}
  - cluster: {{clusters: 2}}
  - represent: {{budget: 30, audit_share: 0.5, rounds: {rounds}}}
  - ask: {{from: label}}
  - propagate: {{precision: 0.8, risk: 0.2, otherwise: {otherwise}}}
  - label: {{name: first, dimensions: [intent], model: worker, prompt: first.j2}}
  - label: {{name: second, dimensions: [topic], model: worker, prompt: first.j2}}
output: out
"""


def embed(text: str) -> list[float]:
    """Comets here, joins there, every question a little apart."""
    number = int(text.split()[-1])
    return [1.0, 0.0, number / 1000] if "comet" in text else [0.0, 1.0, number / 1000]


class Answers(Counter[str]):
    """Right answers; counts what was asked, by dimension. `refused` numbers get no usable one."""

    refused: frozenset[int] = frozenset()

    def __call__(self, body: Body) -> str:
        asked = body["messages"][-1]["content"]
        number = int(next(word for word in asked.split() if word.isdigit()))
        wanted = body["response_format"]["json_schema"]["schema"]["properties"]
        if "intent" in wanted:
            self["intent"] += 1
            value: dict[str, Any] = {"intent": "learn" if "comet" in asked else "debug"}
        else:
            self["topic"] += 1
            value = {"topic": [("web", "data", "games")[number * 7919 % 101 % 3]]}
        name = next(iter(value))
        return "no JSON" if number in self.refused else json.dumps({**value, "confidence": {name: 0.9}, "unmapped": []})


def job_of(folder: Path, url: str, rounds: int = 1, otherwise: str = "label") -> Job:
    job = make(folder, SPEC.format(url=url, rounds=rounds, otherwise=otherwise), 80)
    (folder / "taxonomy" / "topic.yaml").write_text(TOPIC, encoding="utf-8")
    return job


def stats(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.out / "stats.json").read_text(encoding="utf-8"))
    return found


def test_a_run_cut_off_between_stages_pays_nothing_twice(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Answers()
    with serve(Script(answer=said, embed=embed, faults=[status(401)] * 5)) as server:
        job = job_of(tmp_path, server.url, rounds=3)
        assert job.call().code == 3  # five denials in a row: the key is wrong
        assert job.manifest()["counts"]["left"] == 80
        for kind in ("represent", "propagate"):
            with monkeypatch.context() as cut_off:
                cut_off.setattr(Spreading, kind, crash)
                with pytest.raises(RuntimeError, match="cut off"):
                    job.call()
        done = job.call()
        assert done.code == 0, done.out
        texts = [text for body in server.bodies for text in body.get("input", ())]
    embedded = Counter(texts)
    assert set(embedded) == {text for text in embedded if "part" in text or "join" in text}
    assert len(embedded) == 80
    spending = stats(job)["spreading"]["embedding"]
    assert spending["calls"] == 5
    assert spending["cost_usd"] == pytest.approx(spending["tokens"] / 1e5)
    # Also where a retry is answered just before the five denials have stopped the run: its vectors are kept.
    assert job.manifest()["cost_usd"] == pytest.approx(spending["cost_usd"])
    rows = job.rows("labels")
    assert_right(rows)
    assert set(job.uids().values()) == {1}
    assert job.manifest()["counts"] == {"total": 80, "done": 80, "failed": 0, "left": 0}
    assert said["intent"] == sum(any(one["step"] == "first" for one in row["calls"]) for row in rows)
    assert [bought for bought, _ in stats(job)["spreading"]["curve"]] == [23, 26, 30]


def test_runs_that_share_a_ledger_share_paid_vectors(cluster: str, tmp_path: Path) -> None:
    with serve(Script(answer=Answers(), embed=embed)) as server:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            job = job_of(tmp_path / name, server.url)
            assert job.call(sets=[f"ledger={{path: {tmp_path / 'paid'}}}"]).code == 0
        texts = [text for body in server.bodies for text in body.get("input", ())]
    assert len(texts) == len(set(texts)) == 80
    assert stats(job)["spreading"]["embedding"] == {"calls": 0, "tokens": 0, "cost_usd": 0.0}


def test_vectors_of_another_actor_are_seen_by_one_that_was_there_before(tmp_path: Path) -> None:
    mine, other = VectorFiles(str(tmp_path)), VectorFiles(str(tmp_path))
    assert mine.load(["a" * 32]) == {}
    other.save({"a" * 32: np.array([1, 2], np.float32)})
    assert mine.load(["a" * 32])["a" * 32].tolist() == [1, 2]


def test_vectors_that_are_no_numbers_are_named_by_their_rows(tmp_path: Path) -> None:
    vectors = np.ones((9, 2), np.float32)
    vectors[3, 1], vectors[2:9, 0] = np.inf, np.nan
    uri = str(tmp_path / "part.parquet")
    uids = [f"a.jsonl#{row}#0" for row in range(9)]
    write_parquet(uri, pa.table({"place": range(9), "uid": uids, "vector": vector_column(vectors)}))
    with pytest.raises(SpreadError, match=r"7 of 9 vectors hold NaN or infinity: a.jsonl#2#0, .* and 2 more; take"):
        open_table([uri], str(tmp_path / "vectors.npy"))


def crash(self: Spreading, stage: Any) -> None:
    raise RuntimeError("cut off")


def test_only_the_open_dimensions_of_a_row_are_asked_for_and_a_failed_row_is_mended(
    cluster: str, tmp_path: Path
) -> None:
    said = Answers()
    said.refused = frozenset(range(5))
    with serve(Script(answer=said, embed=embed)) as server:
        job = job_of(tmp_path, server.url)
        done = job.call()
        assert done.code == 1, done.out
        assert (len(job.rows("failures")), set(job.uids().values())) == (5, {1})
        said.refused = frozenset()
        mended = call("retry", str(job.out))
        assert mended.code == 0, mended.out
    rows = job.rows("labels")
    assert (len(rows), set(job.uids().values())) == (80, {1})
    assert_right(rows)
    spread = [row for row in rows if row["propagated"]]
    assert len(spread) >= 45
    for row in spread:
        assert [entry["dimension"] for entry in row["propagated"]] == ["intent"]
        assert [one["step"] for one in row["calls"]] == ["second"]
    found = stats(job)["spreading"]["dimensions"]
    assert (found["topic"]["threshold"], found["topic"]["spread"]) == (None, 0)
    assert found["intent"]["spread"] == len(spread)
