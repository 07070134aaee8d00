"""The witness of a run: whatever becomes of the driver, somebody is left who says it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rayjob.cli.run import say_lost
from rayjob.engine.manifest import spent_before
from rayjob.reports.process import is_gone, this_process
from rayjob.reports.run_files import RunReader
from rayjob.store.runfolder import RunFolder
from tests.cli.commands import call
from tests.engine.test_manifest import write_events

SCRIPT = """
import os, signal, sys, time
from rayjob.cli import witness

witness.may_fork = True

def work():
    {work}

def lost(code):
    print("lost", code, flush=True)
    return 3

sys.exit(witness.run_witnessed(work, lost))
"""


def witnessed(work: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(work=work)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("return 1", 1, ""),
        ("sys.exit(2)", 2, ""),
        ("import atexit; atexit.register(lambda: os._exit(9)); return 0", 0, ""),
        ("import atexit; atexit.register(lambda: os._exit(9)); raise type('UserError', (Exception,), {})", 2, ""),
        ("signal.signal(signal.SIGINT, signal.SIG_DFL); raise KeyboardInterrupt", 130, ""),
        ("os._exit(1)", 3, "lost 1"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 3, "lost -9"),
    ],
    ids=[
        "an end",
        "an exit",
        "an accident after the end",
        "an accident after an error for the user",
        "Ctrl-C before the end",
        "as Ray ends a driver",
        "as the kernel does",
    ],
)
def test_an_end_is_passed_on_and_a_loss_is_told(work: str, code: int, said: str) -> None:
    assert witnessed(work) == (code, said)


def test_signals_are_passed_on_once_each() -> None:
    work = """
    got = []
    signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
    print("ready", flush=True)
    while len(got) < 2:
        time.sleep(0.01)
    return 40 + len(got)
    """
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(work=work.strip())], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for number in (signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    assert process.wait(30) == 42
    process.stdout.close()


ON_A_TERMINAL = """
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
assert b"ready" in os.read(terminal, 100)
os.write(terminal, b"\\x03")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_ctrl_c_reaches_the_driver_once() -> None:
    work = """
    got = []
    signal.signal(signal.SIGINT, lambda number, frame: got.append(number))
    print("ready", flush=True)
    while not got:
        time.sleep(0.01)
    time.sleep(0.2)  # a second one would come now
    return 40 + len(got)
    """
    script = SCRIPT.format(work=work.strip())
    done = subprocess.run([sys.executable, "-c", ON_A_TERMINAL, script], timeout=60, capture_output=True, text=True)
    assert done.returncode == 41, done.stderr


def test_the_driver_dies_with_its_witness() -> None:
    work = "print(os.getpid(), flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(work=work)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    driver = int(process.stdout.readline())
    process.kill()
    assert process.stdout.read() == b"", "its end of the pipe closes when the driver ends"
    process.wait(30)
    process.stdout.close()
    assert driver != process.pid


TWICE = """
import os, signal, sys
from rayjob.cli import run, witness

witness.may_fork = True
run.SAME_INTERRUPT_S = float(sys.argv[1])

def tell(text):  # a print in a handler that interrupts a print is an error of Python's
    os.write(1, text.encode() + b"\\n")

class Session:
    asked = 0
    def interrupt(self):
        self.asked += 1
        tell(f"asked {self.asked}")

def work():
    session = Session()
    with run.stopping_cleanly(session):
        handle = signal.getsignal(signal.SIGINT)
        def say(number, frame):
            handle(number, frame)
            tell("handled")
        signal.signal(signal.SIGINT, say)
        tell("ready")
        while sys.stdin.read(1):
            pass
    return session.asked

sys.exit(witness.run_witnessed(work, lambda code: run.say_lost(sys.argv[2], code)))
"""


@pytest.mark.parametrize(("same_s", "code"), [("0", 130), ("600", 1)], ids=["a second one", "one that came twice"])
def test_the_second_interrupt_ends_the_run_at_once(tmp_path: Path, same_s: str, code: int) -> None:
    run_of(tmp_path, this_process())
    command = [sys.executable, "-c", TWICE, same_s, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert [process.stdout.readline() for _ in range(2)] == [b"asked 1\n", b"handled\n"]
    process.send_signal(signal.SIGINT)
    if code == 130:
        process.wait(30)  # and not for its input to end
    else:
        assert process.stdout.readline() == b"handled\n"
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    run = RunFolder(str(tmp_path)).read_json("run.json") or {}
    assert (run["status"], b"second interrupt" in said) == (
        ("interrupted", True) if code == 130 else ("running", False)
    )


def test_a_process_is_gone_once_it_has_ended_and_not_where_nobody_can_tell() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mine = this_process()
    its = {**mine, "pid": child.pid}
    assert is_gone(its), "another process has that number: it began at another time"
    its["began"] = began_of(child.pid)
    assert not is_gone(its)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(its), "it has ended, though nobody has asked how"
    child.wait(10)
    assert is_gone(its)
    assert not is_gone(mine)
    assert not is_gone({**its, "where": "another machine"})
    assert not is_gone({})


def began_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]


def run_of(folder: Path, process: dict[str, object]) -> RunFolder:
    """A folder as a session leaves it in the middle of its work."""
    running = {"status": "running", "run": "sft", "sessions": [{"status": "running"}], "spent": {"cost_usd": 0}}
    found = write_events(
        folder,
        {"t": time.time(), "event": "run_started", "run": "sft", "total_samples": 9, "process": process},
        {"t": time.time(), "event": "progress", "rows_done": 4, "calls": 8, "in_flight": 3, "cost_usd": 1.5},
    )
    found.write_json("run.json", running)
    return found


def test_status_tells_a_killed_run_from_one_that_works(tmp_path: Path) -> None:
    run_of(tmp_path, this_process())
    assert RunReader(str(tmp_path)).poll(time.time()).status == "running"
    run_of(tmp_path, {**this_process(), "began": "0"})
    view = RunReader(str(tmp_path)).poll(time.time())
    assert (view.status, view.in_flight, view.is_over) == ("interrupted", 0, True)
    shown = call("status", str(tmp_path))
    assert shown.code == 0
    assert "interrupted" in shown.out
    assert "the same command goes on" in shown.out
    assert "4 labelled" in shown.out


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [(1, 3, "its Ray node is gone"), (-9, 3, "killed by SIGKILL"), (130, 130, "second interrupt")],
)
def test_last_words_for_a_driver_that_has_none(
    tmp_path: Path, code: int, exit_code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_of(tmp_path, this_process())
    assert say_lost(str(tmp_path), code) == exit_code
    printed = capsys.readouterr().err
    assert said in printed
    assert "the same command goes on" in printed
    run = folder.read_json("run.json") or {}
    assert (run["status"], run["sessions"][-1]["status"]) == ("interrupted", "interrupted")
    assert RunReader(str(tmp_path)).poll(time.time()).status == "interrupted"
    assert spent_before(folder, run)["cost_usd"] == 1.5, "what it spent counts when the run goes on"


def test_a_folder_that_vanished_takes_no_last_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say_lost(str(tmp_path / "gone"), -9) == 3
    assert "killed by SIGKILL" in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "gone")
