"""One question to one model, sent until it is answered or out of attempts. Knows no parser and no ledger."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from rayjob.labels.asking import CallFailedError, Question, Reply
from rayjob.llm.counters import Counters
from rayjob.llm.errors import REACTIONS, ProviderError, Signal, backoff_s
from rayjob.llm.exchange import Outcome
from rayjob.llm.gate import Gate, Slot
from rayjob.llm.limits import limit_key
from rayjob.llm.prices import Prices, prices_of, takes_schema
from rayjob.llm.transport import Answer, Transport, call_of
from rayjob.spec.models import ModelSpec

#: What `structured` falls back to when the provider refuses the parameter itself.
WEAKER = {"schema": "json", "json": "none"}
_FINISH_KINDS = {"length": "truncated", "max_tokens": "truncated", "content_filter": "filtered", "refusal": "filtered"}


class Model:
    """A model of the spec with what is learned about it: tokens a character, tokens an answer, the form it takes."""

    def __init__(self, name: str, spec: ModelSpec, transport: Transport) -> None:
        self.name = name
        self.spec = spec
        self.transport = transport
        self.key = limit_key(spec)
        self.prices: Prices = prices_of(spec)
        auto = "schema" if takes_schema(spec) else "json"
        self.structured: str = auto if spec.structured == "auto" else spec.structured
        self.tokens_per_char = 0.3
        self.completion_tokens = spec.max_tokens / 4

    def estimate(self, chars: int) -> tuple[float, float]:
        """(tokens, dollars) that a prompt of so many characters will take with its answer."""
        prompt = chars * self.tokens_per_char
        return prompt + self.completion_tokens, self.prices.cost(int(prompt), 0, int(self.completion_tokens))

    def learn(self, chars: int, answer: Answer) -> None:
        """Corrects the estimates by what a call really took."""
        if chars and answer.prompt_tokens:
            self.tokens_per_char += 0.05 * (answer.prompt_tokens / chars - self.tokens_per_char)
        self.completion_tokens += 0.05 * (answer.completion_tokens - self.completion_tokens)


@dataclass(slots=True)
class Wire:
    """What all questions of a client share. Clock, sleep and chance are passed in by tests."""

    gate: Gate
    counters: Counters
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Asking:
    """The state of one question on its way. `paid` holds the replies that cost something and could not be used."""

    def __init__(self, wire: Wire, model: Model, question: Question, paid: list[Reply]) -> None:
        self._wire = wire
        self._model = model
        self._question = question
        self._tried: Counter[str] = Counter()
        self._spent_s = 0.0
        self._structured = ""  # of the call that was sent last: others may have weakened the model's meanwhile
        self.paid = paid
        self.sent = 0

    @property
    def question(self) -> Question:
        """As it was asked last: shortened, plainer or with more room for the answer where that was needed."""
        return self._question

    async def answer(self) -> Reply:
        """The first usable reply. Raises CallFailedError, and RunStoppedError from the gate."""
        while True:
            try:
                return await self._send()
            except ProviderError as error:
                await self._react(error)

    async def _send(self) -> Reply:
        chars = sum(len(message["content"]) for message in self._question.messages)
        tokens, usd = self._model.estimate(chars)
        slot = await self._wire.gate.acquire(self._model.key, tokens, usd, self._question.later)
        self._wire.counters.lease_wait.add(slot.waited_s)
        self._wire.counters.in_flight += 1
        try:
            answer = await self._call(slot)
        finally:
            self._wire.counters.in_flight -= 1
        self._model.learn(chars, answer)
        return self._judge(self._book(slot, answer))

    async def _call(self, slot: Slot) -> Answer:
        """The answer; on any other way out the slot is given back here."""
        spec = self._model.spec
        self._structured = self._model.structured
        call = call_of(self._question, spec, self._structured)
        self.sent += 1
        limit_s = self._time_left_s()
        try:
            async with asyncio.timeout(limit_s):
                return await self._model.transport.send(call)
        except TimeoutError:
            error = ProviderError("timeout", f"no answer within {limit_s:.0f} s")
        except ProviderError as caught:
            error = caught
        except BaseException:  # a cancellation too: whatever ends the call, its slot comes back
            self._wire.gate.release(slot, Outcome(Signal.OK, "internal"))
            raise
        latency_s = self._wire.clock() - slot.began
        self._spent_s += latency_s
        self._wire.counters.calls[self._model.name, error.kind] += 1
        signal = REACTIONS[error.kind].signal
        back = 0.0 if signal == Signal.OK else -slot.est_tokens  # a call that was not taken used no tokens
        outcome = Outcome(signal, error.kind, latency_s, back, error.retry_after_s, error.message)
        self._wire.gate.release(slot, outcome)
        raise error

    def _time_left_s(self) -> float | None:
        spec = self._model.spec
        if spec.mode == "batch":
            return None  # a batch takes the provider's time
        return max(0.001, min(spec.timeout_s, spec.deadline_s - self._spent_s))

    def _book(self, slot: Slot, answer: Answer) -> Reply:
        """Settles an answer: slot, tokens, dollars, counters."""
        counters, model = self._wire.counters, self._model
        now = self._wire.clock()
        latency_s = now - slot.began
        self._spent_s += latency_s
        usd = model.prices.cost(
            answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens, answer.cache_written_tokens
        )
        over = answer.prompt_tokens + answer.completion_tokens - slot.est_tokens
        self._wire.gate.release(slot, Outcome(Signal.OK, latency_s=latency_s, tokens_over=over), usd)
        counters.add_tokens(model.name, answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens, usd)
        counters.latency.add(latency_s)
        return Reply(
            text=answer.text, step=self._question.step, model=model.spec.model, attempts=self.sent,
            prompt_tokens=answer.prompt_tokens, cached_tokens=answer.cached_tokens,
            completion_tokens=answer.completion_tokens, cost_usd=usd, latency_s=round(latency_s, 3),
            finish_reason=answer.finish_reason, logprobs=answer.logprobs,
        )  # fmt: skip

    def _judge(self, reply: Reply) -> Reply:
        kind = _FINISH_KINDS.get(reply.finish_reason)
        self._wire.counters.calls[self._model.name, kind or "ok"] += 1
        if kind is None:
            return reply
        self.paid.append(reply)
        raise ProviderError(
            kind, f"the answer ended with {reply.finish_reason!r} after {reply.completion_tokens} tokens"
        )

    async def _react(self, error: ProviderError) -> None:
        """Makes the question ready for another attempt, waiting without a slot; or raises CallFailedError."""
        kind = error.kind
        if kind == "bad_request" and "response_format" in error.message and self._structured in WEAKER:
            if self._model.structured == self._structured:  # the first of many calls to be refused; one step a form
                self._model.structured = WEAKER[self._structured]
            return
        self._tried[kind] += 1
        reaction = REACTIONS[kind]
        late = self._spent_s >= self._model.spec.deadline_s and self._model.spec.mode == "live"
        if late or self._tried[kind] >= reaction.attempts or not self._rephrase(kind):
            raise CallFailedError(kind, error.message, max(1, self.sent), tuple(self.paid))
        if reaction.backoff_s:
            await self._wire.sleep(backoff_s(kind, self._tried[kind], error.retry_after_s, self._wire.rng))

    def _rephrase(self, kind: str) -> bool:
        """Changes the question as its failure asks for; False where there is no other way to ask it."""
        question = self._question
        if kind == "truncated":
            tokens = 2 * (question.max_tokens or self._model.spec.max_tokens)
            self._question = replace(question, max_tokens=tokens)
        elif kind == "filtered" and question.plain:
            self._question = replace(question, messages=list(question.plain))
        elif kind == "context" and question.shorter:
            self._question = replace(question, messages=list(question.shorter))
        else:
            return kind not in ("filtered", "context")
        return True
