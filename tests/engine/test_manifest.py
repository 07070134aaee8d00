"""What run.json keeps over sessions that did not end by themselves."""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine import manifest
from rayjob.engine.manifest import ChangedSpecError, Manifest, file_parts, spent_before, start_anew
from rayjob.engine.tally import Tally
from rayjob.spec.choice import ChooseStep, TrainChoiceStep
from rayjob.spec.model import JobSpec, OutputSpec, Step
from rayjob.spec.prepare import InputSpec
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from tests.engine.rig import make_job

OLD = {"status": "running", "spent": {"cost_usd": 1.0, "calls": 10}}


def write_events(folder: Path, *events: dict[str, object]) -> RunFolder:
    lines = b"".join(orjson.dumps({"t": 1.0, **event}) + b"\n" for event in events)
    (folder / "events.jsonl").write_bytes(lines + b'{"t": 2.0, "event": "prog')
    return RunFolder(str(folder))


@pytest.mark.parametrize(
    ("status", "spent"),
    [("running", 2.5), ("interrupted", 2.5), ("stopped", 1.0), ("done", 1.0)],
    ids=["killed: its events know", "killed, and somebody saw it", "stopped: it wrote its sum", "done"],
)
def test_what_a_killed_session_spent_counts(tmp_path: Path, status: str, spent: float) -> None:
    folder = write_events(
        tmp_path,
        {"event": "progress", "cost_usd": 2.0, "calls": 20},
        {"event": "progress", "cost_usd": 2.5, "calls": 25},
        {"event": "note", "message": "no sums here"},
    )
    assert spent_before(folder, {**OLD, "status": status})["cost_usd"] == spent


def test_without_events_the_sums_stand(tmp_path: Path) -> None:
    assert spent_before(RunFolder(str(tmp_path)), OLD)["cost_usd"] == 1.0
    assert spent_before(RunFolder(str(tmp_path)), {}) == {}


def test_the_content_of_weights_pairs_and_other_domains_counts(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pairs.jsonl", "math.jsonl"):
        (tmp_path / name).write_bytes(b"one")
    other = {"math": f"{tmp_path}/math.jsonl"}
    training = TrainChoiceStep(pairs=f"{tmp_path}/pairs.jsonl", other=other)
    choosing = ChooseStep(weights=f"{tmp_path}/model.safetensors")
    steps = tuple(
        Step(kind=kind, name=kind, settings=settings)
        for kind, settings in (("train_choice", training), ("choose", choosing))
    )
    job = JobSpec(rayjob=1, name="t", input=InputSpec(path="x"), steps=steps, output=OutputSpec(path="y"))
    before = file_parts(job)
    assert sorted(before) == ["file choose.weights", "file train_choice.other.math", "file train_choice.pairs"]
    assert file_parts(job) == before
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert [part for part, digest in file_parts(job).items() if digest != before[part]] == ["file choose.weights"]
    (tmp_path / "pairs.jsonl").unlink()
    assert "file train_choice.pairs" not in file_parts(job)


def test_a_restart_sets_the_old_review_sheet_aside(tmp_path: Path) -> None:
    for name in ("labels", "stages", "ledger", "review"):
        (tmp_path / name).mkdir()
    for said in ("first", "second"):
        (tmp_path / "review" / "propagate.csv").write_text(said)
        start_anew(RunFolder(str(tmp_path)), len(said))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger", "review", "review-5", "review-6"]
    assert (tmp_path / "review-5" / "propagate.csv").read_text() == "first"
    assert list((tmp_path / "review").iterdir()) == []


def open_manifest(folder: Path, *overrides: str, resume_changed: bool = False) -> Manifest:
    opened = open_spec(str(folder / "spec.yaml"), overrides)
    return Manifest.open(RunFolder(str(folder / "out")), opened.resolved, opened.plan, resume_changed)


def test_a_restart_cut_short_leaves_no_folder_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels were gone, the checkpoint was not: the spec before took the folder for a finished run without rows."""
    make_job(tmp_path, "http://127.0.0.1:1/v1", rows=1)
    open_manifest(tmp_path)

    def killed(folder: RunFolder, sessions: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(manifest, "start_anew", killed)
        with pytest.raises(KeyboardInterrupt):
            open_manifest(tmp_path, "models.worker.temperature=1", resume_changed=True)
    for overrides in ((), ("models.worker.temperature=1",)):
        with pytest.raises(ChangedSpecError, match="was cut short"):
            open_manifest(tmp_path, *overrides)
    open_manifest(tmp_path, "models.worker.temperature=1", resume_changed=True)
    open_manifest(tmp_path, "models.worker.temperature=1")


def test_a_session_goes_on_counting_from_what_stands_in_the_folder(tmp_path: Path) -> None:
    """After a kill and in the final sweep the display began at nothing again."""
    make_job(tmp_path, "http://127.0.0.1:1/v1", rows=1)
    found = open_manifest(tmp_path)
    found.take(Tally(rows_done=7, rows_failed=5, calls=12))
    for name, rows in (("labels", 7), ("failures", 2)):
        write_parquet(str(tmp_path / "out" / name / "a.parquet"), pa.table({"uid": ["x"] * rows}))
    base = found.base_tally()
    assert (base.rows_done, base.rows_failed, base.calls) == (7, 2, 12)
