"""Watches a stage from the driver: polls the governor, writes events, notices stalls and reasons to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rayjob.engine.events import EventLog
from rayjob.engine.tally import Tally

POLL_S = 0.5
EVENT_S = 2.0


class Watcher(threading.Thread):
    """Polls while a stage runs; `why` says why the run should end, empty while it should not."""

    def __init__(
        self, ray: Any, governor: Any, run: str, log: EventLog, *, stall_s: float, most_failed: float | None,
        show: Callable[[], None] = lambda: None, limits: dict[str, list[str]] | None = None,
        phase: str = "labelling", count: Callable[[], str] = str, budget_usd: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name="rayjob-watch", daemon=True)
        self.ray, self.governor, self.run_id, self.log = ray, governor, run, log
        self.stall_s, self.most_failed, self.show = stall_s, most_failed, show
        self.models_of = limits or {}
        self.phase, self.count = phase, count
        self.budget_usd, self.budget_state = budget_usd, ""
        self.tally = Tally()
        self.base = Tally()
        self.why = ""
        self.silent = False
        self.ended = threading.Event()
        self.moved_at = time.monotonic()
        self.last_event = 0.0

    def run(self) -> None:
        """Until `stop`."""
        while not self.ended.wait(POLL_S):
            self.poll()

    def stop(self) -> None:
        """End the thread, with one last look."""
        self.ended.set()
        self.join(timeout=10)
        self.poll(last=True)
        with suppress(self.ray.exceptions.RayError):
            self.governor.leave.remote(self.run_id)

    def drain(self, reason: str) -> None:
        """Ask every actor to start no more rows. The first reason stays."""
        if not self.why:
            self.why = reason
            self.log.write("note", message=f"stopping: {reason}")
            self._tell()

    def _tell(self) -> None:
        with suppress(self.ray.exceptions.RayError):  # it is restarting: the next look tells it again
            self.ray.get(self.governor.drain.remote(self.run_id, self.why), timeout=10)

    def poll(self, last: bool = False) -> None:
        """One look at the governor."""
        try:
            view = self.ray.get(self.governor.view.remote(self.run_id), timeout=5)
        except self.ray.exceptions.RayError:
            return  # it is restarting, or Ray is shutting down; the next look will tell
        if self.why and not view["draining"]:  # it was not told, or it died of it and was made anew
            self._tell()
        self._take(view, last)
        self.show()

    def _take(self, view: dict[str, Any], last: bool) -> None:
        tally: Tally = view["tally"]
        now = time.monotonic()
        if progress_of(tally) != progress_of(self.tally):
            self.moved_at, self.silent = now, False
        self.tally = tally
        if tally.stop and not self.why:
            self.drain(tally.stop)
        if self.most_failed is not None and tally.rows_failed > self.most_failed and not self.why:
            self.drain(f"max_failed: {tally.rows_failed} rows failed")
        if self.log.lost and not self.why:
            self.drain(f"storage: {self.log.lost}")
        self._notice_stall(now)
        self._notice_budget(view)
        if last or now - self.last_event >= EVENT_S:
            self.last_event = now
            self.log.write("progress", **self._progress(tally, view))

    def _notice_stall(self, now: float) -> None:
        quiet = now - self.moved_at
        if quiet < self.stall_s or self.silent:
            return
        self.silent = True
        tally = self.tally
        step, _ = max(tally.step_in_flight.items(), key=lambda item: item[1], default=("", 0))
        message = f"nothing has finished for {quiet:.0f} s" + (f"; most rows wait in '{step}'" if step else "")
        self.log.write(
            "stalled", message=message, step=step, in_flight=tally.calls_in_flight, oldest_s=round(tally.oldest_s, 1)
        )

    def _notice_budget(self, view: dict[str, Any]) -> None:
        """An event when the run begins, and whenever the budget asks for something else."""
        if self.budget_usd is None:
            return
        found = view["budgets"].get(self.run_id, {})
        if found and found["state"] != self.budget_state:
            self.budget_state = found["state"]
            self.log.write("budget", state=self.budget_state, spent_usd=found["spent_usd"], limit_usd=self.budget_usd)

    def _progress(self, tally: Tally, view: dict[str, Any]) -> dict[str, Any]:
        base = self.base
        limits = {"+".join(self.models_of.get(key, [key])): _lane(lane) for key, lane in view["lanes"].items()}
        return {
            "rows_done": base.rows_done + tally.rows_done,
            "rows_failed": base.rows_failed + tally.rows_failed,
            "in_flight": tally.calls_in_flight,
            "calls": base.calls + tally.calls,
            "prompt_tokens": base.prompt_tokens + tally.prompt_tokens,
            "cached_tokens": base.cached_tokens + tally.cached_tokens,
            "completion_tokens": base.completion_tokens + tally.completion_tokens,
            "cost_usd": round(base.cost_usd + tally.cost_usd, 6),
            "ledger_hits": base.ledger_hits + tally.ledger_hits,
            "errors": dict(tally.errors),
            "oldest_s": round(tally.oldest_s, 1),
            "step_in_flight": dict(tally.step_in_flight),
            "limits": limits,
            "phase": "stopping" if self.why else self.phase,
            "detail": self.count(),
        }


def progress_of(tally: Tally) -> tuple[int, ...]:
    """What moves when anything gets done or begun: a start that takes long must not hide a stall after it."""
    errors = sum(tally.errors.values())
    return (tally.rows_done, tally.rows_failed, tally.calls, tally.ledger_hits, tally.rows_in_flight, errors)


def _lane(lane: dict[str, Any]) -> dict[str, Any]:
    state = "broken" if lane["broken"] else "paused" if lane["paused_s"] else "ok"
    return {
        "concurrency": lane["concurrency"], "in_use": lane["in_flight"], "rpm": lane["learned_rpm"] or 0,
        "waiting": lane["waiting"], "state": state,
    }  # fmt: skip
