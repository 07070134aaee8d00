"""Training and judging part by part, without a cluster: the files that the stages leave."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from rayjob.engine.choosing import Choosing, TrainWork, train
from rayjob.engine.judging import JudgePart, JudgeWork, choice_row
from rayjob.engine.parts import list_parts
from rayjob.engine.prepare import blocks_of, prepare_rows
from rayjob.spec.choice import ChooseStep, TrainChoiceStep
from rayjob.spec.model import JobSpec, Step
from rayjob.store.listing import list_input
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from tests.shared_data import ROOT

pytest.importorskip("torch")
pytest.importorskip("safetensors")


def prepare(folder: RunFolder, name: str) -> None:
    """The prepare stage's files of an example."""
    where = {"path": str(ROOT / "examples_choice" / name), "format": "reasoning"}
    job = JobSpec.model_validate({"rayjob": 1, "name": "t", "input": where, "output": folder.path})
    for number, table in enumerate(blocks_of(prepare_rows(job, list_input(job.input.paths, "").files))):
        write_parquet(folder.at("stages", "1-prepare", f"{number}.parquet"), table)


@pytest.mark.timeout(230)
def test_a_trained_model_chooses(tmp_path: Path) -> None:
    trained, chosen = RunFolder(str(tmp_path / "train")), RunFolder(str(tmp_path / "choose"))
    prepare(trained, "train.jsonl")
    prepare(chosen, "choose.jsonl")
    train(TrainWork(TrainChoiceStep(seeds=(0,), folds=3, siblings=0, epochs=2), trained.path, "1-prepare", ""))
    weights = trained.at("choice", "model.safetensors")
    assert sorted(path.name for path in Path(weights).parent.glob("card.*")) == ["card.json", "card.md"]
    parts = tuple(list_parts(chosen, "1-prepare", "2-choose"))
    work = JudgeWork(ChooseStep(weights=weights), parts, chosen.path, "2-choose", weights)
    assert JudgePart(work)({"item": [0]})["rows"].tolist() == [40]
    rows = [row for uri in chosen.parquet("labels") for row in pq.read_table(uri).to_pylist()]
    right = [row for row in rows if f'"right":"{row["labels"]["choice"]}"' in row["metadata"].replace(" ", "")]
    assert (len(rows), len(right) > 20) == (40, True)
    assert all(sorted(row["choice"]["ranking"]) == [0, 1, 2] for row in rows)


def test_fields_of_the_input_named_like_ours_are_no_labels() -> None:
    row = choice_row({"query": "?", "metadata": '{"confidence": 0.9, "labels": ["x"], "choice": "a", "qid": "q1"}'})
    assert row == {"query": "?", "question": "?", "qid": "q1", "metadata": row["metadata"]}


class NeverTrained:
    """Ray with a training that does not end by itself; the run is interrupted at the second look."""

    def __init__(self) -> None:
        self.run: Any = None
        self.cancelled: list[tuple[Any, bool]] = []
        self.looks = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **_: Any) -> Any:
        return lambda function: SimpleNamespace(remote=lambda work: "training")

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        self.looks += 1
        self.run.why = "interrupt" if self.looks == 2 else ""
        return [], references

    def cancel(self, reference: Any, force: bool) -> None:
        self.cancelled.append((reference, force))


def test_an_interrupt_ends_a_training_at_once(tmp_path: Path) -> None:
    where = {"path": "in.jsonl", "format": "reasoning"}
    job = JobSpec.model_validate({"rayjob": 1, "name": "t", "input": where, "output": str(tmp_path)})
    step = Step(kind="train_choice", name="train_choice", settings=TrainChoiceStep())
    kinds = [SimpleNamespace(kind=kind) for kind in ("prepare", "train_choice")]
    stages = [SimpleNamespace(name=kind.kind, steps=lambda kind=kind: [kind]) for kind in kinds]
    finished: list[Any] = []
    ray = NeverTrained()
    ray.run = SimpleNamespace(
        request=SimpleNamespace(plan=SimpleNamespace(stages=stages)), job=job.model_copy(update={"steps": (step,)}),
        folder=RunFolder(str(tmp_path)), ray=ray, why="", telling=lambda phase: nullcontext(),
        is_done=lambda stage: False, finish_stage=lambda *facts: finished.append(facts),
    )  # fmt: skip
    Choosing(ray.run).train(stages[1])  # type: ignore[arg-type]
    assert (ray.cancelled, finished) == ([("training", True)], [])


def test_weights_that_cannot_be_used_are_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"PK\x03\x04")
    actor = JudgePart(JudgeWork(ChooseStep(), (), str(tmp_path), "2-choose", str(tmp_path / "model.safetensors")))
    assert "pickle" in actor({"item": [0]})["refused"][0]
