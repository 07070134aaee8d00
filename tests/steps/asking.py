"""A scripted Asker: answers in order or by function, keeps what was asked, and fails on what is not scripted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from rayjob.labels.asking import AnswerError, CallFailedError, Question, Reply

T = TypeVar("T")
Said = str | Mapping[str, object] | CallFailedError


class Script:
    """Answers each question with what `answer` says: a text, an object to be sent as JSON, or a failure."""

    def __init__(self, answer: Callable[[Question], Said] | list[Said]) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """One answer, parsed; an unreadable one fails as the client would after its repair question."""
        self.asked.append(question)
        said = self.answer.pop(0) if isinstance(self.answer, list) else self.answer(question)
        if isinstance(said, CallFailedError):
            raise said
        text = said if isinstance(said, str) else json.dumps(said)
        reply = Reply(text, question.step, question.model, prompt_tokens=100, completion_tokens=10, cost_usd=0.001)
        try:
            return parse(text), reply
        except AnswerError as error:
            raise CallFailedError("unparsable", str(error), 2, (reply, reply)) from error


def answering(**labels: object) -> dict[str, object]:
    """A confident answer; `confidence=0.4` or a mapping says otherwise, `unmapped` is passed on."""
    confidence = labels.pop("confidence", 0.9)
    unmapped = labels.pop("unmapped", [])
    scores = confidence if isinstance(confidence, Mapping) else dict.fromkeys(labels, confidence)
    return {**labels, "confidence": scores, "unmapped": unmapped}
