"""A scripted Asker for tests of steps: answers by step and prompt; a question nobody scripted fails the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import orjson

from rayjob.labels.asking import AnswerError, CallFailedError, Question, Reply

T = TypeVar("T")

#: What a question gets: a text, an object (as JSON), a failure, or several of these, one after the other.
Script = str | Mapping[str, object] | CallFailedError | Callable[[Question], "str | Mapping[str, object]"]


class UnscriptedError(AssertionError):
    """A question that the test did not expect."""


class ScriptedAsker:
    """Answers from a script keyed by step name, or by a piece of text that the last message holds.

    A list of scripts is used up one by one; a single script answers always. `asked` keeps the questions in order.
    """

    def __init__(self, script: Mapping[str, Script | Sequence[Script]]) -> None:
        self._script: dict[str, list[Script] | Script] = {
            key: list(value) if isinstance(value, list | tuple) else value  # type: ignore[misc]
            for key, value in script.items()
        }
        self.asked: list[Question] = []

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """See rayjob.labels.asking.Asker. What `parse` refuses is repaired once, with the next of its list."""
        self.asked.append(question)
        first = self._reply(question)
        try:
            return parse(first.text), first
        except AnswerError as error:
            if not isinstance(self._find(question), list):
                raise CallFailedError("unparsable", str(error), 1, (first,)) from None
        second = self._reply(question)
        try:
            value = parse(second.text)
        except AnswerError as error:
            raise CallFailedError("unparsable", str(error), 2, (first, second)) from None
        return value, Reply(second.text, question.step, question.model, attempts=2, repairs=(first,))

    def _find(self, question: Question) -> list[Script] | Script:
        text = question.messages[-1]["content"] if question.messages else ""
        for key in (question.step, *sorted(self._script, key=len, reverse=True)):
            if key in self._script and (key == question.step or key in text):
                return self._script[key]
        raise UnscriptedError(f"step {question.step!r} asked what nobody scripted: {text[:300]!r}")

    def _reply(self, question: Question) -> Reply:
        script = self._find(question)
        if isinstance(script, list):
            if not script:
                raise UnscriptedError(f"step {question.step!r} asked once more than scripted")
            script = script.pop(0)
        if callable(script):
            script = script(question)
        if isinstance(script, CallFailedError):
            raise script
        text = script if isinstance(script, str) else orjson.dumps(script).decode()
        return Reply(text, question.step, question.model, prompt_tokens=10, completion_tokens=5)
