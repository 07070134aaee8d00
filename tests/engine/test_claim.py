"""Two processes never work on one folder: the lock of a machine, the events of a run elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rayjob.engine.claim import BusyError, Claim

HOLD = "import sys; from rayjob.engine.claim import Claim; c = Claim(sys.argv[1]); print('held', flush=True); input()"


def held_by_another(path: Path) -> subprocess.Popen[str]:
    """A process that holds the claim until its stdin ends."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_has_ended_however_it_ends(tmp_path: Path) -> None:
    with held_by_another(tmp_path) as other:
        with pytest.raises(BusyError, match=f"process {other.pid} on .* is at work"):
            Claim(str(tmp_path))
        other.kill()
        other.wait()
    first = Claim(str(tmp_path))
    first.release()
    Claim(str(tmp_path)).release()


ELSEWHERE = {"t": 0.0, "event": "run_started", "process": {"where": "another-host boot", "pid": 7, "began": "1"}}


def say(path: Path, *events: dict[str, object]) -> None:
    with (path / "events.jsonl").open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def test_a_run_on_another_machine_that_still_writes_is_left_alone(tmp_path: Path) -> None:
    say(tmp_path, ELSEWHERE, {"t": time.time(), "event": "progress"})
    with pytest.raises(BusyError, match="process 7 on another-host is at work"):
        Claim(str(tmp_path), lambda s: say(tmp_path, {"t": time.time() + 1, "event": "progress"}))


@pytest.mark.parametrize(("age", "last"), [(0.0, "progress"), (3600.0, "progress"), (0.0, "run_done")])
def test_a_run_on_another_machine_that_is_silent_or_over_is_gone_on_with(tmp_path: Path, age: float, last: str) -> None:
    say(tmp_path, ELSEWHERE, {"t": time.time() - age, "event": last})
    waited: list[float] = []
    Claim(str(tmp_path), waited.append).release()
    assert bool(waited) == (age == 0.0 and last == "progress")


def test_a_folder_that_cannot_be_written_is_left_to_who_writes_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Claim(str(tmp_path / "file" / "run")).release()
