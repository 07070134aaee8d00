"""The governor as a Ray actor: one per run, or one named actor that several runs of a cluster share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ray

from rayjob.engine.tally import Tally, add_tallies
from rayjob.llm.exchange import Grant, Report
from rayjob.llm.limits import Governor
from rayjob.spec.models import BudgetSpec, LimitsSpec


class GovernorActor:
    """Leases capacity and collects what every actor has done so far. Asked a few times a second by each client."""

    def __init__(
        self, run: str, limits: Mapping[str, LimitsSpec], budget: BudgetSpec | None, spent_usd: float = 0.0
    ) -> None:
        # Ray makes a dead actor again from these; what was spent comes back with the reports, which are totals.
        self.governor = Governor({})
        self.tallies: dict[str, dict[str, Tally]] = {}
        self.draining: dict[str, str] = {}
        self.join(run, limits, budget, spent_usd)

    def join(
        self, run: str, limits: Mapping[str, LimitsSpec], budget: BudgetSpec | None, spent_usd: float = 0.0
    ) -> None:
        """A run begins (or goes on): its limits count, its budget is its own, its tallies start anew."""
        self.governor.join(limits, run, budget, spent_usd)
        self.tallies[run] = {}
        self.draining.pop(run, None)

    def leave(self, run: str) -> None:
        """A run's stage is over: others are not bound by its limits any more."""
        self.governor.leave(run)

    def exchange(self, report: Report) -> Grant:
        """One report, one grant."""
        return self.governor.exchange(report, time.monotonic())

    def note(self, run: str, client: str, tally: Tally) -> str:
        """Take a client's totals so far; the answer is why the run is ending, empty while it is not."""
        self.tallies.setdefault(run, {})[client] = tally
        return self.draining.get(run, "")

    def drain(self, run: str, reason: str) -> None:
        """No more rows are to be started in this run."""
        self.draining.setdefault(run, reason)

    def view(self, run: str) -> dict[str, Any]:
        """Totals of the run, the state of every limit, what was spent."""
        total = add_tallies(self.tallies.get(run, {}).values())
        return {"tally": total, "draining": self.draining.get(run, ""), **self.governor.snapshot(time.monotonic())}


def start_governor(
    name: str, run: str, limits: Mapping[str, LimitsSpec], budget: BudgetSpec | None, spent_usd: float
) -> Any:
    """The handle of a governor that this run has joined: the named one if it has a name and lives, else a new one.

    spent_usd: what the run has spent of its budget so far, in earlier stages and sessions.
    A new one is not waited for: it has joined before it answers anybody.
    """
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 3}
    if name:
        options |= {"name": f"rayjob-governor-{name}", "get_if_exists": True, "lifetime": "detached"}
    handle = ray.remote(GovernorActor).options(**options).remote(run, dict(limits), budget, spent_usd)
    if name:
        ray.get(handle.join.remote(run, dict(limits), budget, spent_usd))
    return handle
