"""What run.json keeps over sessions that did not end by themselves."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from rayjob.engine.manifest import spent_before
from rayjob.store.runfolder import RunFolder

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
