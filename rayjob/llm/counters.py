"""What a client counts while it works. Plain numbers; the engine turns them into metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

#: Upper bounds of the histograms, seconds.
BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound; the last: beyond all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def add(self, seconds: float) -> None:
        """Notes one duration."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1


@dataclass(slots=True)
class Counters:
    """Totals since the client was made. `calls` by (model, outcome kind), tokens and dollars by model."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    prompt_tokens: Counter[str] = field(default_factory=Counter)
    cached_tokens: Counter[str] = field(default_factory=Counter)
    completion_tokens: Counter[str] = field(default_factory=Counter)
    cost_usd: dict[str, float] = field(default_factory=dict)
    from_ledger: Counter[str] = field(default_factory=Counter)
    repairs: int = 0
    fallbacks: int = 0
    in_flight: int = 0
    latency: Histogram = field(default_factory=Histogram)
    lease_wait: Histogram = field(default_factory=Histogram)

    def add_tokens(self, model: str, prompt: int, cached: int, completion: int, usd: float) -> None:
        """Books what a call used."""
        self.prompt_tokens[model] += prompt
        self.cached_tokens[model] += cached
        self.completion_tokens[model] += completion
        self.cost_usd[model] = self.cost_usd.get(model, 0.0) + usd
