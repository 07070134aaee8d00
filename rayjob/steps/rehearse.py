"""Rehearses a plan whose models are all offline: they cost nothing, so `plan` asks them and knows the calls exactly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rayjob.labels.asking import AnswerError, CallFailedError, Question, Reply
from rayjob.llm.offline import OfflineModel
from rayjob.plan.resolve import Resolved
from rayjob.steps.build import build_pipeline

T = TypeVar("T")

#: Rows that are rehearsed in about two seconds.
MOST_ROWS = 300


class OfflineAsker:
    """Answers as `offline/lexical` does in a run, without LiteLLM around it."""

    def __init__(self, model: OfflineModel) -> None:
        self.model = model
        self.calls: Counter[tuple[str, str]] = Counter()

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """The parsed answer; one that cannot be read fails, as there is nothing to repair in a ranker."""
        self.calls[question.step, question.model] += 1
        text = self.model.answer(list(question.messages), question.schema or {})
        try:
            return parse(text), Reply(text, question.step, question.model)
        except AnswerError as error:
            raise CallFailedError("unparsable", str(error)) from error


def can_rehearse(resolved: Resolved, names: Sequence[str], models: Sequence[str], rows: int) -> bool:
    """Whether every model is free to ask and the input small enough."""
    specs = [resolved.job.models[name] for name in models]
    return bool(names) and rows <= MOST_ROWS and all(spec.is_offline for spec in specs)


def rehearse(resolved: Resolved, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Calls by (step, model) that labelling these prepared rows makes."""
    asker = OfflineAsker(OfflineModel(resolved.taxonomy))
    pipeline = build_pipeline(resolved, names)

    async def all_rows() -> None:
        for row in rows:
            await pipeline.run(row, asker, lambda step: None)

    asyncio.run(all_rows())
    return asker.calls
