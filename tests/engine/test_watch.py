"""The watcher over a scripted governor: reasons to stop reach it, however often it dies meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rayjob.engine.events import EventLog
from rayjob.engine.tally import Tally
from rayjob.engine.watch import Watcher


class LostError(Exception):
    """What Ray raises where an actor cannot be asked."""


class ScriptedRay:
    """A `ray` whose references are functions to call."""

    exceptions = SimpleNamespace(RayError=LostError)

    def get(self, reference: Any, timeout: float) -> Any:
        return reference()


class ScriptedGovernor:
    """A governor that can be lost, and forgets why a run ends when it is made anew."""

    def __init__(self) -> None:
        self.is_lost = False
        self.draining = ""
        self.budget = "ok"
        self.tally = Tally()
        self.view = SimpleNamespace(remote=lambda run: self._view)
        self.drain = SimpleNamespace(remote=lambda run, reason: lambda: self._drain(reason))

    def _view(self) -> dict[str, Any]:
        self._answer()
        budgets = {"run-1": {"state": self.budget, "spent_usd": 4.0}}
        return {"tally": self.tally, "draining": self.draining, "lanes": {}, "budgets": budgets}

    def _drain(self, reason: str) -> None:
        self._answer()
        self.draining = self.draining or reason

    def _answer(self) -> None:
        if self.is_lost:
            raise LostError


def watch(folder: Path) -> tuple[Watcher, ScriptedGovernor, EventLog]:
    governor, log = ScriptedGovernor(), EventLog(str(folder / "events.jsonl"))
    return Watcher(ScriptedRay(), governor, "run-1", log, stall_s=60, most_failed=None), governor, log


def test_a_governor_that_is_lost_is_told_when_it_is_back(tmp_path: Path) -> None:
    watcher, governor, _ = watch(tmp_path)
    governor.is_lost = True
    watcher.drain("interrupt")
    watcher.poll()
    assert (watcher.why, governor.draining) == ("interrupt", "")
    governor.is_lost = False
    watcher.poll()
    assert governor.draining == "interrupt"
    governor.draining = ""
    watcher.drain("another reason")
    watcher.poll()
    assert governor.draining == "interrupt"


def test_a_folder_that_is_lost_stops_the_run(tmp_path: Path) -> None:
    watcher, governor, log = watch(tmp_path)
    watcher.poll()
    assert not watcher.why
    log.lost = "s3://bucket/run: no answer"
    watcher.poll()
    assert watcher.why == governor.draining == "storage: s3://bucket/run: no answer"


def test_what_the_budget_asks_for_is_told_when_it_changes(tmp_path: Path) -> None:
    watcher, governor, log = watch(tmp_path)
    watcher.budget_usd = 5.0
    for state in ("ok", "ok", "skip_arbitration"):
        governor.budget = state
        watcher.poll()
    told = [event for event in log.events() if event["event"] == "budget"]
    assert [(event["state"], event["spent_usd"], event["limit_usd"]) for event in told] == [
        ("ok", 4.0, 5.0), ("skip_arbitration", 4.0, 5.0),
    ]  # fmt: skip
    governor.tally = Tally(cost_usd=4.5)
    watcher.poll(last=True)
    assert log.view().budget == "$4.50 of $5.00, skip_arbitration"
