"""The generate step: competing reasonings for a row by LLM, in one register and without words of judgement."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from rayjob.labels.asking import AnswerError, Asker, CallFailedError, Question, Reply
from rayjob.labels.loose_json import LooseJsonError, read_strict
from rayjob.labels.prompt import RenderError, Template
from rayjob.spec.choice import GenerateStep

Row = dict[str, Any]

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["reasoning", "answer"],
    "additionalProperties": False,
}
#: Words that judge. A model that may write them learns to write them, and a classifier to look for them.
_JUDGING = re.compile(
    r"\b(correct(?:ly)?|incorrect(?:ly)?|clearly|obvious(?:ly)?|certainly|definitely|verified|accurate(?:ly)?|"
    r"mistaken(?:ly)?|erroneous(?:ly)?|flawed|undoubtedly|rigorous(?:ly)?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reasoning with its answer, and where it comes from: the model, and the side it was asked to take."""

    reasoning: str
    answer: str
    model: str
    side: str = ""

    def to_row(self) -> dict[str, str]:
        """As the column `candidates` has it."""
        return {"reasoning": self.reasoning, "answer": self.answer, "model": self.model, "side": self.side}


class Generate:
    """Adds `candidates` to a row. Draws that fail are left out; a row whose draws all failed carries the failure."""

    def __init__(self, name: str, spec: GenerateStep, template: Template) -> None:
        self.name, self.spec, self.template = name, spec, template

    async def __call__(self, row: Row, asker: Asker) -> Row:
        """The row with its candidates, own reasoning first, or with its failure. A failed row passes through."""
        if row.get("failure"):
            return row
        draws = [self._draw(row, asker, side, number) for side in self.sides for number in range(self.spec.samples)]
        done = await asyncio.gather(*draws, return_exceptions=True)
        row = {**row, "calls": list(row.get("calls") or ()), "candidates": self._own(row)}
        failed: list[CallFailedError] = []
        for result in done:
            if isinstance(result, CallFailedError):
                failed.append(result)
                row["calls"] += [reply.to_call() for reply in result.calls]
            elif isinstance(result, BaseException):
                raise result
            else:
                row["candidates"].append(result[0].to_row())
                row["calls"] += [reply.to_call() for reply in result[1]]
        if len(failed) == len(done):
            error = failed[0]
            row["failure"] = {
                "kind": error.kind, "message": error.message, "step": self.name, "attempts": error.attempts,
            }  # fmt: skip
        return row

    @property
    def sides(self) -> tuple[str, ...]:
        """What a row is asked to be argued for; once where there are no sides."""
        return ("",) if self.spec.mode == "samples" else ("for", "against")

    def messages(self, row: Row, side: str) -> tuple[dict[str, str], ...]:
        """What a draw asks. Raises RenderError."""
        values = {"query": row.get("query") or "", "answer": row.get("answer") or "", "metadata": {"side": side}}
        known = {name: value for name, value in values.items() if name in self.template.variables}
        return tuple(message.to_dict() for message in self.template.render(**known))

    def _own(self, row: Row) -> list[dict[str, str]]:
        if not self.spec.keep or not row.get("reasoning"):
            return []
        return [Candidate(str(row["reasoning"]), str(row.get("answer") or ""), "own").to_row()]

    async def _draw(self, row: Row, asker: Asker, side: str, number: int) -> tuple[Candidate, list[Reply]]:
        """A candidate, and all replies that were paid for it, also those with words of judgement."""
        try:
            messages = self.messages(row, side)
        except RenderError as error:
            raise CallFailedError("internal", str(error)) from error
        paid: list[Reply] = []
        for attempt in range(self.spec.retries + 1):
            # Another draw, not the same again: the ledger would answer that with the same text.
            sample = number + 1000 * attempt
            question = Question(
                self.name, self.spec.model, messages, SCHEMA, self.spec.temperature, sample=sample, row=row["uid"]
            )
            try:
                (reasoning, answer), reply = await asker.ask(question, read_candidate)
                return Candidate(reasoning, answer, self.spec.model, side), [*paid, reply]
            except CallFailedError as error:
                paid += error.calls
                if error.kind != "unparsable" or attempt == self.spec.retries:
                    raise CallFailedError(error.kind, error.message, error.attempts, tuple(paid)) from error
        raise AssertionError("the last attempt returns or raises")


def read_candidate(text: str) -> tuple[str, str]:
    """(reasoning, answer) of a reply. Raises AnswerError where it is no such object or uses words of judgement."""
    start = text.find("{")
    try:
        value = read_strict(text, max(start, 0))
    except (ValueError, LooseJsonError) as error:
        raise AnswerError(f"no JSON object with reasoning and answer: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("reasoning"), str) or "answer" not in value:
        raise AnswerError('expected {"reasoning": "…", "answer": "…"}')
    if not value["reasoning"].strip():
        raise AnswerError("the reasoning is empty; write the steps")
    judging = sorted({word.lower() for word in _JUDGING.findall(value["reasoning"])})
    if judging:
        raise AnswerError(
            f"words that judge are not allowed in the reasoning: {', '.join(judging)}; say only the steps"
        )
    return value["reasoning"].strip(), str(value["answer"]).strip()
