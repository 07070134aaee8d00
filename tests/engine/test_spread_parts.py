"""What spreading does to rows, part by part, without a cluster: each row is labelled, sent on or left, once."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.engine.answering import judged
from rayjob.engine.columns import PREPARED, to_table
from rayjob.engine.embedding import VectorFiles, pool_of
from rayjob.engine.parts import list_parts, write_subset
from rayjob.engine.redo import take_back
from rayjob.engine.spread_blocks import SpreadWork, divide, given_labels, spread_part
from rayjob.engine.spread_table import open_table
from rayjob.engine.tables import run_table_stage
from rayjob.plan.graph import Operator, PlannedStep, Stage
from rayjob.plan.resolve import Texts, resolve_texts
from rayjob.spec.base import SpecError
from rayjob.spec.model import JobSpec, Step
from rayjob.spec.spread import AskStep
from rayjob.steps.embed import vector_column
from rayjob.steps.propagate import Propagated
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.check import SpreadError
from tests.engine.rig import INTENT, TOPIC

ROWS = 6


class Scripted:
    """Labels by the sign of a vector's first number; accepted where it is far from zero."""

    def __call__(self, vectors: Any) -> list[dict[str, Propagated]]:
        return [
            {"intent": Propagated("learn" if row[0] > 0 else "debug", 0.9, abs(row[0]) > 1, ("a#1#0",), (0.1,))}
            for row in vectors
        ]


def prepared(folder: RunFolder, name: str, first: int, failed: int = -1) -> None:
    rows = [
        {
            "uid": f"{name}#{row}#0", "source": name, "row": row, "turn": 0, "metadata": "{}", "heirs": [],
            "conversation": "[]", "query": f"q{row}",
            "failure": {"kind": "empty", "message": "", "step": "prepare", "attempts": 0} if row == failed else None,
        }
        for row in range(first, first + ROWS)
    ]  # fmt: skip
    rows[0]["heirs"] = [{"uid": f"{name}#{first}#2", "id": "", "turn": 2}]
    write_parquet(folder.at("stages", "1-prepare", f"{name[::-1]}.parquet"), to_table(rows, PREPARED))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder(str(tmp_path))
    prepared(found, "b.jsonl", 1)
    prepared(found, "a.jsonl", 1, failed=3)
    return found


def embedded(folder: RunFolder) -> list[str]:
    """Vectors of all rows that have no failure, as the embed stage leaves them."""
    uris = []
    for part in list_parts(folder, "1-prepare", "2-embed"):
        table = part.read(["uid", "failure"])
        good = np.flatnonzero(table["failure"].is_null().to_numpy())
        vectors = np.array([[place - 2.5, 1.0] for place in good], np.float32)
        uris.append(folder.at("stages", "2-embed", f"{part.name}.parquet"))
        uids = table["uid"].take(pa.array(good))
        write_parquet(uris[-1], pa.table({"place": good, "uid": uids, "vector": vector_column(vectors)}))
    return uris


def work(folder: RunFolder, otherwise: str, *more: str) -> SpreadWork:
    ask = AskStep.model_validate({"from": "truth", "fields": dict.fromkeys(("intent", *more), "kind")})
    job = JobSpec.model_validate({"rayjob": 1, "name": "t", "input": "x", "taxonomy": "t", "output": folder.path})
    job = job.model_copy(update={"steps": (Step(kind="ask", name="ask", settings=ask),)})
    return SpreadWork(job, Texts(taxonomy={"intent.yaml": INTENT}), folder.path, "2-embed", "6-propagate", otherwise)


def test_parts_are_in_the_order_of_their_rows_whatever_their_files_are_called(folder: RunFolder) -> None:
    parts = list_parts(folder, "1-prepare", "2-embed")
    assert [part.read(["uid"])["uid"][0].as_py() for part in parts] == ["a.jsonl#1#0", "b.jsonl#1#0"]
    assert list_parts(folder, "1-prepare", "2-embed") == parts


def test_a_table_finds_its_rows_in_their_parts(folder: RunFolder, tmp_path: Path) -> None:
    table = open_table(embedded(folder), str(tmp_path / "vectors.npy"))
    assert len(table) == 2 * ROWS - 1
    chosen = table.by_part(np.array([10, 0, 3]))
    assert {number: places.tolist() for number, places in chosen.items()} == {0: [0, 4], 1: [5]}
    assert write_subset(list_parts(folder, "1-prepare", "2-embed")[0], [0, 4], str(tmp_path / "s.parquet")) == (2, 1)


@pytest.mark.parametrize(("otherwise", "labelled", "sent"), [("label", 3, 3), ("review", 3, 3), ("leave", 6, 0)])
def test_every_row_of_a_part_goes_one_way(folder: RunFolder, otherwise: str, labelled: int, sent: int) -> None:
    embedded(folder)
    part = list_parts(folder, "1-prepare", "2-embed")[1]
    spreader: Any = Scripted()
    marker = spread_part(work(folder, otherwise), part, frozenset({5}), spreader)
    again = spread_part(work(folder, otherwise), part, frozenset({5}), spreader)
    assert marker == again
    assert (marker["rows"], marker["sent"], marker["accepted"]) == (5, max(0, sent - 1), {"intent": 3})
    rows = [row for uri in folder.parquet("labels") for row in pq.read_table(uri).to_pylist()]
    assert len(rows) == labelled - (otherwise == "leave") + 1  # one row has an heir
    heir = next(row for row in rows if row["inherits"])
    assert (heir["uid"], heir["labels"], heir["calls"]) == ("b.jsonl#1#2", {"intent": "debug"}, [])
    assert heir["propagated"][0]["sources"] == ["a#1#0"]
    left = [row for row in rows if not row["propagated"]]
    assert all(row["labels"] == {"intent": ""} and row["confidence"] == {"intent": None} for row in left)


TWO = Texts(taxonomy={"intent.yaml": INTENT, "topic.yaml": TOPIC})


def half_accepted(topic: bool) -> dict[str, Propagated]:
    return {
        "intent": Propagated("learn", 0.9, True, ("a#1#0",), (0.1,)),
        "topic": Propagated(["web"], 0.4, topic, ("a#1#0",), (0.1,)),
    }


@pytest.mark.parametrize(
    ("otherwise", "ways"), [("label", (["b"], ["a"])), ("review", (["b"], ["a"])), ("leave", (["a", "b"], []))]
)
def test_a_row_with_one_open_dimension_is_sent_on_with_the_label_it_has(
    otherwise: str, ways: tuple[list[str], list[str]]
) -> None:
    resolved = resolve_texts(work(RunFolder("x"), otherwise, "topic").job, TWO)
    found = [half_accepted(False), half_accepted(True)]
    done, sent = divide([{"uid": "a"}, {"uid": "b"}], found, resolved, otherwise)
    assert ([row["uid"] for row in done], [row["uid"] for row in sent]) == ways
    given = json.loads(next(row["given"] for row in (*sent, *done) if row["uid"] == "a"))
    assert (given["labels"], given["confidence"]) == ({"intent": "learn"}, {"intent": 0.9})
    assert [entry["dimension"] for entry in given["propagated"]] == ["intent"]


def test_a_judged_row_keeps_where_a_label_came_from_unless_a_person_changed_it() -> None:
    row = {"given": json.dumps(given_labels(half_accepted(True)))}
    kept = json.loads(judged({"intent": "debug", "topic": ["web"]}, row))
    assert kept["labels"] == {"intent": "debug", "topic": ["web"]}
    assert kept["confidence"] == {"intent": 1.0, "topic": 0.4}
    assert [entry["dimension"] for entry in kept["propagated"]] == ["topic"]
    assert json.loads(judged({"intent": "debug"}, {})) == {
        "labels": {"intent": "debug"}, "confidence": {"intent": 1.0}, "propagated": [],
    }  # fmt: skip


def test_vectors_are_kept_by_text_and_found_by_another_process(tmp_path: Path) -> None:
    store = VectorFiles(str(tmp_path))
    store.save({"b" * 32: np.array([1, 2], np.float32), "a" * 32: np.array([3, 4], np.float32)})
    VectorFiles(str(tmp_path)).save({"c" * 32: np.array([5, 6], np.float32)})
    found = VectorFiles(str(tmp_path)).load(["c" * 32, "a" * 32, "d" * 32])
    assert {key[0]: vector.tolist() for key, vector in found.items()} == {"a": [3, 4], "c": [5, 6]}


@pytest.mark.parametrize(
    ("resources", "share", "parts", "expected"),
    [({"CPU": 5}, 1.0, 9, (2, 0.0)), ({"CPU": 5}, 1.0, 1, (1, 0.0)), ({"CPU": 2}, 1.0, 9, (1, 0.0)),
     ({"CPU": 8, "GPU": 2}, 0.5, 9, (4, 0.5)), ({"CPU": 8, "GPU": 2}, 0.0, 9, (5, 0.0))],
)  # fmt: skip
def test_actors_take_gpus_where_there_are_some(
    resources: dict[str, float], share: float, parts: int, expected: tuple[int, float]
) -> None:
    pool = pool_of(resources, share, parts)
    assert (pool.actors, pool.gpus) == expected


def test_a_stage_takes_back_only_its_own_failures(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    write_parquet(folder.at("failures", "x.parquet"), pa.table({"uid": ["a", "b"], "kind": ["timeout", "timeout"]}))
    for stage, uid in (("5-label-round-0", "a"), ("5-label-rest", "b")):
        write_parquet(folder.at("checkpoints", stage, "x.parquet"), pa.table({"uid": [uid]}))
    assert take_back(folder, "5-label-rest", ("timeout",)) == 1
    assert pq.read_table(folder.at("failures", "x.parquet"))["uid"].to_pylist() == ["a"]
    assert folder.parquet("checkpoints/5-label-rest") == []


class RayTaskError(Exception):
    """As Ray wraps what a task raised."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("a long traceback")
        self.cause = cause


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_user_must_fix_is_said_of_its_stage_however_deep_it_was_raised(wrapped: bool) -> None:
    error = SpreadError("9 clusters were asked of 5 rows; ask for at most 5")

    def fail(stage: Stage) -> None:
        raise RayTaskError(error) if wrapped else error

    step = PlannedStep("cluster", "cluster", "cpu", "table", (), (), ())
    stage = Stage("3-cluster", (Operator("cpu", "table", (step,)),))
    run: Any = SimpleNamespace(tables={"cluster": fail})
    with pytest.raises(SpecError, match=r"stage 3-cluster.*9 clusters were asked of 5 rows; ask for at most 5"):
        run_table_stage(run, stage)


def test_a_bug_of_ours_is_not_passed_off_as_the_users() -> None:
    def fail(stage: Stage) -> None:
        raise ZeroDivisionError

    step = PlannedStep("cluster", "cluster", "cpu", "table", (), (), ())
    run: Any = SimpleNamespace(tables={"cluster": fail})
    with pytest.raises(ZeroDivisionError):
        run_table_stage(run, Stage("3-cluster", (Operator("cpu", "table", (step,)),)))
