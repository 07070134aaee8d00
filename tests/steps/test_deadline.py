"""The row deadline: seconds of answers count, answers from the ledger do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from rayjob.labels.asking import CallFailedError, Question, Reply
from rayjob.steps.deadline import RowDeadline

T = TypeVar("T")


class Slow:
    """Answers at once and says that it took a while."""

    def __init__(self, latency_s: float, from_ledger: bool = False) -> None:
        self.reply = Reply("{}", latency_s=latency_s, from_ledger=from_ledger)

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        return parse(self.reply.text), self.reply


def ask_times(asker: RowDeadline, times: int) -> None:
    for _ in range(times):
        asyncio.run(asker.ask(Question("s", "m", []), lambda text: text))


def test_a_row_whose_answers_took_too_long_asks_no_more() -> None:
    row = RowDeadline(Slow(4.0), 10.0)
    ask_times(row, 3)
    with pytest.raises(CallFailedError, match=r"took 12 s, more than run.row_deadline_s = 10") as failed:
        ask_times(row, 1)
    assert failed.value.kind == "timeout"


def test_answers_from_the_ledger_cost_no_time() -> None:
    ask_times(RowDeadline(Slow(4.0, from_ledger=True), 10.0), 5)


def test_answers_of_a_batch_cost_no_time() -> None:
    ask_times(RowDeadline(Slow(9000.0), 10.0, frozenset({"m"})), 5)
