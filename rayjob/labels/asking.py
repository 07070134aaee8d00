"""What a step asks of a model and what comes back. Calls nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Every way a row can fail; each has its own reaction in `rayjob.llm.errors`.
FAILURE_KINDS = (
    "unreadable", "empty", "timeout", "overload", "server", "connection", "unparsable", "truncated",
    "filtered", "context", "bad_request", "auth", "budget", "internal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """One LLM call: the messages, the model's name in the spec, and what of its settings this call overrides.

    `sample` tells repeated draws of one question apart, so that the ledger does not answer the second with the first.
    `voter`: of several models that are asked the same, the place of this one, from 0.
    `logprobs` asks for the token probabilities of the answer, where the provider gives them.
    `static` leading messages are the same for every row of the step: where a provider is told what to cache, that.
    `row` is the uid it belongs to: where several servers have the model, the calls of a row go to the same one.
    `later` says that its row was asked about before: first questions go before it.
    `plain` messages are the same question in plainer words, asked once where a content filter refused the first.
    """

    step: str
    model: str
    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, object] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    sample: int = 0
    plain: Sequence[Mapping[str, str]] = ()
    shorter: Sequence[Mapping[str, str]] = ()
    dimensions: tuple[str, ...] = ()
    static: int = 0
    logprobs: bool = False
    row: str = ""
    later: bool = False
    voter: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answered call and its cost. Latency excludes waiting for capacity; `from_ledger` replies cost nothing."""

    text: str
    step: str = ""
    model: str = ""
    attempts: int = 1
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    finish_reason: str = "stop"
    from_ledger: bool = False
    logprobs: tuple[tuple[str, float], ...] = ()
    repairs: tuple[Reply, ...] = ()

    def to_call(self) -> dict[str, object]:
        """The row of the output column `calls` that this reply makes."""
        return {name: getattr(self, name) for name in CALL_FIELDS}


CALL_FIELDS = (
    "step", "model", "attempts", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd", "latency_s",
    "from_ledger",
)  # fmt: skip


class AnswerError(ValueError):
    """A reply that could not be read as an answer; the message says what was wrong, for the repair question."""


@dataclass
class CallFailedError(Exception):
    """A question without a usable answer: kind (of FAILURE_KINDS), message, attempts, the replies already paid."""

    kind: str
    message: str
    attempts: int = 1
    calls: tuple[Reply, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Asker(Protocol):
    """Whoever answers questions: the LiteLLM client in a run, a script in a test."""

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """The parsed answer and its reply. Raises CallFailedError; after `parse`'s AnswerError it asks once more."""
        ...
