"""The log of a run: what it holds where its folder cannot be written for a while, and when that counts as lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rayjob.engine import events
from rayjob.engine.events import LOST_S, REST_S, EventLog
from rayjob.reports.progress import read_events
from rayjob.store import files
from tests.s3_faults import Faults, faulty
from tests.s3_server import environment, s3, s3_process

__all__ = ["s3", "s3_process"]
LOG = "s3://bucket/run/events.jsonl"


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def faults(s3: str) -> Iterator[Faults]:
    with faulty(s3) as (endpoint, faults), environment({"AWS_ENDPOINT_URL_S3": endpoint}):
        yield faults
        faults.always = ""
        files.delete(LOG)


def stored() -> list[str]:
    return [event["event"] for event in read_events(files.read_bytes(LOG).decode())]


@pytest.mark.s3
def test_a_folder_that_is_gone_is_lost_after_a_minute_and_forgets_nothing_when_it_is_back(faults: Faults) -> None:
    clock = Clock()
    log = EventLog(LOG, clock)
    log.write("run_started", run="r")
    faults.always = "gone"
    seen = []
    for clock.now_s in (20.0, 21.0, 20.0 + LOST_S, 20.0 + REST_S + LOST_S):
        before = faults.requests
        log.write("stage_done")
        seen.append((faults.requests > before, bool(log.lost)))
    assert seen == [(True, False), (False, False), (True, True), (True, True)]
    assert "NO_SUCH_BUCKET" in log.lost
    faults.always = ""
    log.write("note", message="rests: the next upload carries it")
    assert stored() == ["run_started"]
    log.write("run_done", status="stopped")
    assert (stored(), log.lost) == (["run_started", *["stage_done"] * 4, "note", "run_done"], "")


@pytest.mark.s3
def test_nobody_waits_for_an_upload_that_hangs(faults: Faults) -> None:
    log = EventLog(LOG)
    faults.always = "silent"
    log.write("progress", rows_done=1)
    log.write("progress", rows_done=2)
    log.write("note", message="said soon")
    assert (log.view().rows_done, log.view().notes, log.uploading.locked()) == (2, ("said soon",), True)
    faults.always = ""
    faults.over.set()
    log.write("run_done")
    assert stored() == ["progress", "progress", "note", "run_done"]


@pytest.mark.s3
def test_a_log_on_s3_is_thinned_out_and_says_nothing_twice(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    monkeypatch.setattr(events, "MOST_EVENTS_ON_S3", 8)
    monkeypatch.setattr(events, "KEPT_WHEN_THINNED", 4)
    log = EventLog(LOG)
    for name in ("run_started", "note", *["progress"] * 5, "stage_done", "run_done"):
        log.write(name)
    assert stored() == ["run_started", "note", "progress", "progress", "stage_done", "run_done"]


def test_a_local_log_is_lost_only_while_it_cannot_be_written(tmp_path: Path) -> None:
    clock, folder = Clock(), tmp_path / "run"
    log = EventLog(str(folder / "events.jsonl"), clock)
    folder.write_text("a file where the folder should be")
    log.write("run_started", run="r")
    clock.now_s = LOST_S
    log.write("progress")
    assert str(folder) in log.lost
    folder.unlink()
    log.write("progress")
    assert (log.lost, [event["event"] for event in log.events()]) == ("", ["progress"])
