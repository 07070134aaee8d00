"""The two messages between a gate (one an actor) and the governor (one a run or cluster): a report and a grant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rayjob.llm.budget import BudgetState
from rayjob.llm.errors import Signal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended. `tokens_over`: tokens used more than was estimated for it (less: negative)."""

    signal: Signal
    kind: str = "ok"
    latency_s: float = 0.0
    tokens_over: float = 0.0
    retry_after_s: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a client did since its last report (`started`, `outcomes`) and what it wants. Estimates are means a call.

    `stock`: permits granted and not used yet. `want`: further permits. `spent_usd`: the client's total, not a
    difference.
    """

    client: str
    key: str
    run: str = ""
    started: int = 0
    in_flight: int = 0
    waiting: int = 0
    stock: int = 0
    want: int = 0
    est_tokens: float = 0.0
    est_usd: float = 0.0
    spent_usd: float = 0.0
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may do until its next report: `slots` calls in flight, `calls` more starts.

    `wait_s`: not worth asking again before. `hold`: nobody may start now, permits in stock included.
    `stop`: (kind, message) where the run has to end.
    """

    slots: int = 0
    calls: int = 0
    wait_s: float = 0.0
    hold: bool = False
    stop: tuple[str, str] | None = None
    budget: BudgetState = field(default_factory=BudgetState)


#: How a gate reaches the governor: a direct call in a test, a Ray actor handle in a run.
Exchange = Callable[[Report], Awaitable[Grant]]
