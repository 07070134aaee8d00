"""What an LLM actor has done so far, as totals that add up over actors. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rayjob.llm.counters import Counters


@dataclass
class Tally:
    """Totals of one actor (or, added up, of a run). Tokens and dollars count calls that were paid in this session."""

    rows_done: int = 0
    rows_failed: int = 0
    rows_dropped: int = 0
    rows_in_flight: int = 0
    calls: int = 0
    calls_in_flight: int = 0
    ledger_hits: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    oldest_s: float = 0.0
    stop: str = ""
    errors: Counter[str] = field(default_factory=Counter)
    step_in_flight: Counter[str] = field(default_factory=Counter)

    def count_calls(self, counters: Counters) -> None:
        """Calls, tokens and dollars as a client counted them, in place of what stood here."""
        self.calls = sum(count for (_, kind), count in counters.calls.items() if kind == "ok")
        self.errors.clear()
        for (_, kind), count in counters.calls.items():
            if kind != "ok":
                self.errors[kind] += count
        self.calls_in_flight = counters.in_flight
        self.ledger_hits = sum(counters.from_ledger.values())
        self.prompt_tokens = sum(counters.prompt_tokens.values())
        self.cached_tokens = sum(counters.cached_tokens.values())
        self.completion_tokens = sum(counters.completion_tokens.values())
        self.cost_usd = sum(counters.cost_usd.values())


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """The sum; `oldest_s` is the largest, `stop` the first that is given."""
    total = Tally()
    for tally in tallies:
        for name in ADDED:
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        total.oldest_s = max(total.oldest_s, tally.oldest_s)
        total.stop = total.stop or tally.stop
        total.errors.update(tally.errors)
        total.step_in_flight.update(tally.step_in_flight)
    return total


ADDED = (
    "rows_done", "rows_failed", "rows_dropped", "rows_in_flight", "calls", "calls_in_flight", "ledger_hits",
    "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd",
)  # fmt: skip
