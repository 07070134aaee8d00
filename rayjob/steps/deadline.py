"""How long one row may keep a provider busy: answers are timed, waiting for capacity is not. Around any Asker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rayjob.labels.asking import Asker, CallFailedError, Question, Reply

T = TypeVar("T")


class RowDeadline:
    """An Asker for one row that asks nothing more once its answers have taken `seconds` together.

    A question under way is not cut short here: the model's own `deadline_s` does that. Answers of the models in
    `untimed` do not count: a batch takes hours, and keeps nobody busy.
    """

    def __init__(self, asker: Asker, seconds: float, untimed: frozenset[str] = frozenset()) -> None:
        self.asker = asker
        self.seconds = seconds
        self.untimed = untimed
        self.spent_s = 0.0

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """As the Asker inside. Raises CallFailedError("timeout") past the deadline."""
        if self.spent_s >= self.seconds:
            message = f"its calls took {self.spent_s:.0f} s, more than run.row_deadline_s = {self.seconds:g}"
            raise CallFailedError("timeout", message, attempts=0)
        value, reply = await self.asker.ask(question, parse)
        if not reply.from_ledger and question.model not in self.untimed:
            self.spent_s += reply.latency_s + sum(repair.latency_s for repair in reply.repairs)
        return value, reply
