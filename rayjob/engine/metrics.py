"""Counts of one LLM actor as Ray metrics; Ray's own exporter carries them to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

from rayjob.engine.tally import Tally
from rayjob.llm.counters import BOUNDS_S


class ActorMetrics:
    """Totals in, increments out: Prometheus counters only go up."""

    def __init__(self) -> None:
        self.calls = Counter("rayjob_calls_total", "LLM calls by outcome", ("model", "outcome"))
        self.tokens = Counter("rayjob_tokens_total", "Tokens by kind", ("model", "kind"))
        self.cost = Counter("rayjob_cost_usd_total", "Dollars spent", ("model",))
        self.rows = Counter("rayjob_rows_total", "Rows by state", ("state",))
        self.in_flight = Gauge("rayjob_in_flight", "Calls in flight")
        self.latency = Histogram("rayjob_call_latency_seconds", "Seconds a call took", boundaries=list(BOUNDS_S))
        self.lease_wait = Histogram(
            "rayjob_lease_wait_seconds", "Seconds waited for capacity", boundaries=list(BOUNDS_S)
        )
        self.before: dict[tuple[str, ...], float] = {}

    def update(self, counters: Any, tally: Tally) -> None:
        """Report what happened since the last update."""
        for (model, outcome), count in counters.calls.items():
            self._add(self.calls, {"model": model, "outcome": outcome}, count)
        for kind in ("prompt", "cached", "completion"):
            for model, count in getattr(counters, f"{kind}_tokens").items():
                self._add(self.tokens, {"model": model, "kind": kind}, count)
        for model, usd in counters.cost_usd.items():
            self._add(self.cost, {"model": model}, usd)
        for state, count in (("done", tally.rows_done), ("failed", tally.rows_failed), ("dropped", tally.rows_dropped)):
            self._add(self.rows, {"state": state}, count)
        self.in_flight.set(counters.in_flight)
        self._observe(self.latency, counters.latency)
        self._observe(self.lease_wait, counters.lease_wait)

    def _add(self, counter: Counter, tags: dict[str, str], total: float) -> None:
        key = (counter.info["name"], *tags.values())
        grown = total - self.before.get(key, 0)
        if grown > 0:
            self.before[key] = total
            counter.inc(grown, tags)

    def _observe(self, metric: Histogram, histogram: Any) -> None:
        """Each new observation at the upper bound of its bucket: that is all a histogram keeps of it."""
        bounds = (*BOUNDS_S, 2 * BOUNDS_S[-1])
        for bound, count in zip(bounds, histogram.counts, strict=True):
            key = (metric.info["name"], str(bound))
            for _ in range(count - int(self.before.get(key, 0))):
                metric.observe(bound)
            self.before[key] = count
