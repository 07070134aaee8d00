"""One call on the wire: what goes out, what comes back, and who carries it. Knows no retries, limits or parsing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rayjob.labels.asking import Question
from rayjob.spec.models import ModelSpec

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """A question as it is sent: everything here changes the answer, so all of it is in the ledger's key."""

    spec: ModelSpec
    messages: Messages
    temperature: float | None
    max_tokens: int
    response_format: Mapping[str, object] | None = None
    logprobs: bool = False
    static: int = 0  # leading messages that every row shares; changes the price alone, and is in no key
    row: str = ""  # in no key either
    sample: int = 0  # which draw of the same question; in the ledger's key and in no body

    def body(self) -> dict[str, object]:
        """The OpenAI-style parameters, without the model, the key and the base."""
        body: dict[str, object] = {"messages": self.messages, "max_tokens": self.max_tokens, **self.spec.params}
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.response_format is not None:
            body["response_format"] = self.response_format
        if self.logprobs:
            body["logprobs"] = True
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said. `prompt_tokens` includes those read from its cache and those written to it."""

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cache_written_tokens: int = 0
    logprobs: tuple[tuple[str, float], ...] = field(default=())


class Transport(Protocol):
    """Carries calls to one kind of provider."""

    async def send(self, call: Call) -> Answer:
        """The answer; raises ProviderError. Sets no timeout of its own shorter than the spec's `timeout_s`."""
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...


def response_format(schema: Mapping[str, object] | None, structured: str) -> Mapping[str, object] | None:
    """The `response_format` of a call: JSON schema, JSON mode or nothing."""
    if schema is None or structured == "none":
        return None
    if structured == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def call_of(question: Question, spec: ModelSpec, structured: str) -> Call:
    """A question with the model's settings filled in where the question leaves them open."""
    return Call(
        spec=spec,
        messages=question.messages,
        temperature=spec.temperature if question.temperature is None else question.temperature,
        max_tokens=question.max_tokens or spec.max_tokens,
        response_format=response_format(question.schema, structured),
        logprobs=question.logprobs,
        static=question.static,
        row=question.row,
        sample=question.sample,
    )


def text_of(content: object) -> str:
    """The text of a message: as it is, or that of its typed parts (Mistral's reasoning models think in others)."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return str(content or "")


def read_completion(data: Mapping[str, object]) -> Answer:
    """An OpenAI-style chat completion as an Answer; LookupError, TypeError or AttributeError where it is none."""
    choice = data["choices"][0]  # type: ignore[index]
    usage = data.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}  # type: ignore[attr-defined]
    cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0  # type: ignore[attr-defined]
    logprobs = (choice.get("logprobs") or {}).get("content") or ()
    return Answer(
        text=text_of(choice["message"].get("content")),
        finish_reason=choice.get("finish_reason") or "stop",
        prompt_tokens=usage.get("prompt_tokens") or 0,  # type: ignore[attr-defined]
        cached_tokens=cached,
        completion_tokens=usage.get("completion_tokens") or 0,  # type: ignore[attr-defined]
        logprobs=tuple((token["token"], token["logprob"]) for token in logprobs),
    )
