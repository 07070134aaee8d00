"""What a run may spend and what happens as it does. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rayjob.spec.models import BudgetSpec, UseSpec

FIRST_REACTION = 0.8


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What the budget asks of everyone now: skip arbitration, use another model, or stop."""

    skip_arbitration: bool = False
    use: str | None = None
    stop: bool = False

    @property
    def in_words(self) -> str:
        """`ok`, or what is being done about it."""
        done = ["skip_arbitration"] * self.skip_arbitration + [f"use {self.use}"] * (self.use is not None)
        return ", ".join([*done, *["stop"] * self.stop]) or "ok"


class Budget:
    """Dollars reserved before a call and settled after it, over all clients of one run.

    spent_usd: what earlier sessions of the run have spent; it counts.
    """

    def __init__(self, spec: BudgetSpec | None, spent_usd: float = 0.0) -> None:
        self._usd = spec.usd if spec else float("inf")
        early = [action for action in (spec.then if spec else ()) if action != "stop"]
        step = (1.0 - FIRST_REACTION) / max(1, len(early))
        self._early = [(FIRST_REACTION + i * step, action) for i, action in enumerate(early)]
        self._spent = {"earlier": spent_usd}
        self._stopped = False

    @property
    def spent_usd(self) -> float:
        """Settled dollars, those of clients that are gone included."""
        return sum(self._spent.values())

    def settle(self, client: str, spent_usd: float) -> None:
        """A client's total so far: a total, so that a lost message or a new governor loses nothing."""
        self._spent[client] = max(spent_usd, self._spent.get(client, 0.0))

    def affordable(self, want: int, each_usd: float, reserved_usd: float) -> int:
        """How many of `want` calls of `each_usd` fit. Once nothing is in flight and the next does not fit: stop."""
        if self._usd == float("inf"):
            return want
        left = self._usd - self.spent_usd - reserved_usd
        if left < each_usd or left <= 0:
            self._stopped = self._stopped or (want > 0 and reserved_usd <= 0) or self.spent_usd >= self._usd
            return 0
        return want if each_usd <= 0 else min(want, int(left / each_usd))

    def state(self) -> BudgetState:
        """The reactions that are due at what was spent."""
        due = [action for share, action in self._early if self.spent_usd >= share * self._usd]
        used = [action.use for action in due if isinstance(action, UseSpec)]
        return BudgetState("skip_arbitration" in due, used[-1] if used else None, self._stopped)
