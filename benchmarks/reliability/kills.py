"""kill -9 at seeded random moments of a run, until it is finished; then counts what was lost and what was paid twice.

    python -m benchmarks.reliability.kills --kills 20 --rows 2000 --in-flight 200 --latency 2

Victims, in a shuffled order: the driver, an LLM actor, the worker that runs the Write task (caught while it does), the
raylet. A dead driver or raylet ends the session; the same command starts the next one. What the provider counts as paid
includes answers whose asker was dead.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.reliability.processes import Process, descendants, processes
from benchmarks.reliability.reference import speak_its_language, start_reference
from tests.engine.rig import Job, kill_group, make_job, provider, wait, wait_until

VICTIMS = ("driver", "actor", "write", "raylet")
ENDS_SESSION = ("driver", "raylet")
#: A Write task is there for some milliseconds, every second or so.
HUNT_S = 20.0


class Server(Protocol):
    """What is asked of the provider."""

    @property
    def url(self) -> str:
        """The base of its API."""

    @property
    def in_flight(self) -> int:
        """Requests that it works on."""


class Payments(Protocol):
    """The provider's own count of its answers; its length is that of different questions."""

    @property
    def twice(self) -> int:
        """Answers to questions that had been answered before."""

    def total(self) -> int:
        """Answers given."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: the victim, calls in flight at that moment, seconds until the session had ended (if it did)."""

    victim: str
    name: str
    in_flight: int
    paid: int
    ended_s: float | None


class Killer:
    """Kills its way through a run."""

    def __init__(self, job: Job, server: Server, paid: Payments, args: argparse.Namespace) -> None:
        self.job, self.server, self.paid, self.args = job, server, paid, args
        self.random = random.Random(args.seed)
        victims: list[str] = args.victims.split(",")
        self.left = [victims[i % len(victims)] for i in range(args.kills)]
        self.random.shuffle(self.left)
        self.kills: list[Kill] = []
        self.sessions = 0

    def run(self) -> int:
        """Sessions until one ends by itself; its exit code."""
        while True:
            self.sessions += 1
            process = self.job.start()
            code = self._session(process)
            if code is not None and self.job.manifest()["status"] in ("done", "failed_rows"):
                return code
            print(f"     session {self.sessions} ended with {code}", flush=True)

    def _session(self, process: subprocess.Popen[bytes]) -> int | None:
        wait_until(lambda: not self.server.in_flight, None, 60)  # what the dead had asked is answered and counted
        wait_until(lambda: self.server.in_flight >= self.args.in_flight // 4, process, 240)
        while self.left and process.poll() is None:
            time.sleep(self.random.uniform(0.2, self.args.every))
            victim = self._kill(process)
            if victim in ENDS_SESSION:
                return None
        return wait(process, self.args.timeout)

    def _kill(self, process: subprocess.Popen[bytes]) -> str:
        victim = self.left[-1]
        found = hunt(process, victim)
        if found is None:
            return ""
        self.left.pop()
        os.kill(found.pid, signal.SIGKILL)
        began = time.monotonic()
        name, in_flight, paid = found.line.rsplit("/", 1)[-1][:40], self.server.in_flight, self.paid.total()
        ended, code = None, None
        if victim in ENDS_SESSION:
            wait_until(lambda: process.poll() is not None, None, 60)
            ended = round(time.monotonic() - began, 1)
            code = process.poll()
            kill_group(process)
        self.kills.append(Kill(victim, name, in_flight, paid, ended))
        counts = f"in flight {in_flight:>4}  paid {paid:>6}  ended after {ended} ({code})"
        print(f"{len(self.kills):>3}  {victim:<7} {name:<40} {counts}", flush=True)
        return victim


def hunt(process: subprocess.Popen[bytes], victim: str) -> Process | None:
    """The victim as soon as it is there; None where it does not come or the session is over."""
    deadline = time.monotonic() + HUNT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := find_victim(process.pid, victim):
            return found
    return None


def find_victim(driver: int, victim: str) -> Process | None:
    """A process of the run's own cluster, or None where there is none of the kind right now.

    `driver`: the process that was started, which is the driver's witness; the driver is its child.
    """
    if victim == "driver":
        return next((one for one in processes() if one.parent == driver), None)
    return next((one for one in descendants(driver) if is_victim(one, victim)), None)


def is_victim(process: Process, victim: str) -> bool:
    """Whether a process is of the kind, by the title that Ray gives it."""
    line = process.line
    if victim == "raylet":
        return "/raylet/raylet " in f"{line} "
    if victim == "actor":
        return line.startswith("ray::") and "LlmOperator" in line
    return line == "ray::Write"


def report(killer: Killer, job: Job, rows: int, code: int) -> bool:
    """Print what came out; whether every claim held."""
    uids, paid = job.uids(), killer.paid
    at_kills = sum(kill.in_flight for kill in killer.kills if kill.victim != "write")  # a Write task asks nothing
    before = paid.total()
    again = job.run()
    claims = {
        f"every row exactly once ({len(uids)} of {rows}, most often {max(uids.values(), default=0)} times)":
            len(uids) == rows and set(uids.values()) == {1},
        f"answered twice {paid.twice} <= in flight at the kills {at_kills}": paid.twice <= at_kills,
        f"all {2 * rows} questions were answered ({len(paid)})": len(paid) == 2 * rows,
        f"a finished run pays {paid.total() - before} calls again (exit {again.code})": paid.total() == before,
        f"exit {code}, failures: {len(job.column('failures', 'uid'))}": code == 0,
    }  # fmt: skip
    victims = dict(Counter(kill.victim for kill in killer.kills))
    print(f"{len(killer.kills)} kills ({victims}) in {killer.sessions} sessions")
    for claim, held in claims.items():
        print("held  " if held else "FAILED", claim)
    return all(claims.values())


@contextmanager
def serving(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Server, Payments]]:
    """The provider that was asked for."""
    if args.reference is None:
        with provider(latency_s=args.latency, sigma=0.3) as (server, paid):
            yield server, paid
    else:
        with start_reference(args.reference, folder / "server", args.rows, args.latency) as reference:
            yield reference, reference


def main() -> None:
    """Kill, resume, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--victims", default=",".join(VICTIMS), help="which, by commas")
    parser.add_argument("--every", type=float, default=3.0, help="most seconds between kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=400.0)
    parser.add_argument("--reference", type=Path, help="a scripted server to run instead of the tests' own")
    parser.add_argument("--keep", type=Path, help="work here, and leave it")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="rayjob-kills-"))
    with serving(args, folder) as (server, paid):
        job = make_job(folder, server.url, args.rows, args.in_flight)
        if args.reference:
            speak_its_language(job)
        killer = Killer(job, server, paid, args)
        held = report(killer, job, args.rows, killer.run())
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
