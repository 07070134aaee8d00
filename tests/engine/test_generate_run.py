"""Competing reasonings by LLM over HTTP, then the choice among them, through `rayjob run`: both modes, paid once."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.engine.rig import Job
from tests.llm_server import Body, Script, serve, status
from tests.shared_data import ROOT

pytest.importorskip("torch")
pytest.importorskip("safetensors")
from rayjob.choice.train import train
from tests.choice.made import QUICK, Memory, made_rows

pytestmark = [pytest.mark.ray, pytest.mark.timeout(230)]

ROWS = 8
SPEC = """\
rayjob: 1
name: generate
input: {{path: input, format: reasoning}}
models:
  worker: {{model: openai/scripted, api_base: "{url}", structured: schema, limits: {{concurrency: 8}}}}
steps:
  - generate: {{mode: {mode}, samples: {samples}, model: worker, prompt: {prompt}, keep: {keep}, retries: 1}}
  - choose: {{weights: model.safetensors}}
output: out
"""


def question(number: int) -> str:
    """A sum with a number of its own."""
    return f"Question {number}: Ann has {number + 2} pears and buys 5 more. How many pears has she?"


@pytest.fixture(scope="module")
def weights() -> bytes:
    """A classifier that knows sums that do not add up."""
    files = Memory()
    train(made_rows(), None, QUICK, files)
    return files.files["model.safetensors"]


def make(folder: Path, url: str, weights: bytes, mode: str, samples: int = 1, keep: str = "true") -> Job:
    """The spec, weights, and rows whose own reasoning is one too high."""
    (folder / "input").mkdir()
    prompt = ROOT / "prompts" / "choice" / f"{mode}.j2"
    spec = SPEC.format(url=url, mode=mode, samples=samples, prompt=prompt, keep=keep)
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    rows = [
        {"id": f"r{n}", "question": question(n), "reasoning": f"So {n + 2} + 5 = {n + 8} pears.", "answer": str(n + 8)}
        for n in range(ROWS)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "input" / "rows.jsonl").write_text(lines, encoding="utf-8")
    return Job(folder)


def asked(body: Body) -> tuple[int, str]:
    """The number of the question, and the last message."""
    text = "\n".join(message["content"] for message in body["messages"])
    found = re.search(r"Question (\d+):", text)
    assert found is not None
    return int(found.group(1)), text


def reply(number: int, extra: int, words: str = "So") -> str:
    """A reasoning whose sum is off by `extra`."""
    total = number + 7 + extra
    return json.dumps(
        {"reasoning": f"First {number + 2}. {words} {number + 2} + 5 = {total} pears.", "answer": str(total)}
    )


def candidates(job: Job) -> dict[str, list[dict[str, Any]]]:
    """What `generate` left, by the id of the row."""
    files = (job.out / "stages").rglob("*.parquet")
    tables = [table for file in files if "candidates" in (table := pq.read_table(file)).column_names]
    return {row["id"]: row["candidates"] for table in tables for row in table.to_pylist() if row["candidates"]}


def test_samples_compete_with_the_rows_own_reasoning(cluster: str, tmp_path: Path, weights: bytes) -> None:
    calls: Counter[int] = Counter()
    lock = threading.Lock()

    def answer(body: Body) -> str:
        number, _ = asked(body)
        with lock:
            calls[number] += 1
            first = calls[number] == 1
        if number == ROWS - 1:
            return "I would rather not."
        return reply(number, 0, "Clearly" if number == 0 and first else "So")

    with serve(Script(answer=answer, faults=[status(500)])) as server:
        job = make(tmp_path, server.url, weights, "samples", 2)
        done = job.call()
        assert done.code == 1, done.out
        paid = calls.total()
        assert job.call().code == 1
        assert calls.total() == paid
    assert job.manifest()["counts"] == {"total": ROWS, "done": ROWS - 1, "failed": 1, "left": 0}
    assert (calls[0], calls[1]) == (3, 2)  # a word of judgement was asked away
    (failed,) = job.rows("failures")
    assert (failed["id"], failed["kind"]) == (f"r{ROWS - 1}", "unparsable")
    made = candidates(job)
    assert [candidate["model"] for candidate in made["r1"]] == ["own", "worker", "worker"]
    assert not [c for given in made.values() for c in given if "learly" in c["reasoning"]]
    rows = job.rows("labels")
    assert {row["labels"]["choice"] for row in rows} == {"worker"}
    assert all(row["choice"]["ranking"][-1] == 0 for row in rows)


def test_one_side_for_the_answer_and_one_against_it(cluster: str, tmp_path: Path, weights: bytes) -> None:
    sides: Counter[str] = Counter()

    def answer(body: Body) -> str:
        number, text = asked(body)
        against = "another answer than the proposed one" in text
        sides["against" if against else "for"] += 1
        assert f"Proposed answer:\n{number + 8}" in text
        return reply(number, 0 if against else 1)

    with serve(Script(answer=answer)) as server:
        job = make(tmp_path, server.url, weights, "sides", keep="false")
        done = job.call()
        assert done.code == 0, done.out
    assert sides == {"for": ROWS, "against": ROWS}
    for number in range(ROWS):
        given = candidates(job)[f"r{number}"]
        assert [(c["side"], c["answer"]) for c in given] == [("for", str(number + 8)), ("against", str(number + 7))]
    rows = job.rows("labels")
    assert {tuple(row["choice"]["ranking"]) for row in rows} == {(1, 0)}
    assert all("wrong" in row["choice"]["why"][0] for row in rows)
