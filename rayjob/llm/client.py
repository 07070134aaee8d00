"""Asks models: ledger first, then the provider within its limits, one repair question for what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from rayjob.labels.asking import AnswerError, CallFailedError, Question, Reply
from rayjob.llm.attempts import Asking, Model, Wire
from rayjob.llm.counters import Counters
from rayjob.llm.direct import DirectTransport, goes_direct
from rayjob.llm.errors import REACTIONS
from rayjob.llm.gate import Gate
from rayjob.llm.ledger import Ledger
from rayjob.llm.records import question_key, record_of, reply_of
from rayjob.llm.replicas import over_replicas
from rayjob.llm.transport import Transport
from rayjob.spec.models import ModelSpec

T = TypeVar("T")

#: More than a step can ask of one model.
DRAWS_A_VOTER = 1000
#: Of an answer that could not be read, so much is quoted back.
QUOTED_CHARS = 2000


class Client:
    """An Asker (rayjob.labels.asking) over LiteLLM and plain HTTP: one an actor, used by all its rows at once.

    models: the spec's models by the name that questions use. A model's transport is made when it is first asked, so
        only models that need LiteLLM import it.
    gate: where calls wait for capacity; it belongs to the actor's event loop and is closed by `close`.
    ledger: answers paid before, or None to pay every time. Closed (flushed) by `close`.
    env: where the variables that `api_key_env` names are looked up, usually os.environ. Values are kept out of every
        message.
    wire: only for tests, which pass clock, sleep and chance in.

    Raises nothing at construction that the spec's checks have not excluded; a model name that is not in `models` fails
    the question as "internal".
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        gate: Gate,
        ledger: Ledger | None = None,
        env: Mapping[str, str] | None = None,
        wire: Wire | None = None,
    ) -> None:
        self._specs = dict(models)
        self._env = dict(env or {})
        self._models: dict[str, Model] = {}
        self._ledger = ledger
        self._wire = wire or Wire(gate, Counters())
        self.gate = gate
        self.counters = self._wire.counters

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """The parsed answer and its reply, whose `repairs` are the replies that were paid on the way to it.

        Raises CallFailedError for this question alone, and RunStoppedError (rayjob.llm.errors) where the whole run has
        to end; a row that meets the latter was not decided and must be left undone.
        """
        return await self._ask(self.gate.budget_state.use or question.model, question, parse, [])

    async def close(self) -> None:
        """Flushes the ledger, reports to the governor, gives connections back."""
        await self.gate.close()
        if self._ledger is not None:
            await self._ledger.close()
        for model in self._models.values():
            await model.transport.close()

    async def _ask(
        self, name: str, question: Question, parse: Callable[[str], T], paid: list[Reply]
    ) -> tuple[T, Reply]:
        model = self._model(name)
        if name != question.model and question.voter:  # it stands in for several: one answer must not be several votes
            question = replace(question, sample=question.sample + DRAWS_A_VOTER * question.voter, voter=0)
        try:
            return await self._ask_model(model, question, parse, paid)
        except CallFailedError as error:
            fallback = model.spec.fallback
            if fallback is None or not REACTIONS[error.kind].fallback:
                raise
            self.counters.fallbacks += 1
            return await self._ask(fallback, question, parse, paid)

    async def _ask_model(
        self, model: Model, question: Question, parse: Callable[[str], T], paid: list[Reply]
    ) -> tuple[T, Reply]:
        if self._ledger is None:
            return await self._pay(model, question, parse, paid)
        key = question_key(question, model.spec)
        async with self._ledger.one_at_a_time(key):
            found = await self._ledger.get(key)
            if found is not None:
                reply = reply_of(found, question.step)
                try:
                    value = parse(reply.text)
                except AnswerError:
                    pass  # entered when the parser was another: ask again
                else:
                    self.counters.from_ledger[model.name] += 1
                    return value, replace(reply, repairs=tuple(paid))
            await self._ledger.ready()
            value, reply = await self._pay(model, question, parse, paid)
            # Entered after parsing, not before: a reply we could not read must be asked again.
            self._ledger.put(key, record_of(reply))
        return value, reply

    async def _pay(
        self, model: Model, question: Question, parse: Callable[[str], T], paid: list[Reply]
    ) -> tuple[T, Reply]:
        asking = Asking(self._wire, model, question, paid)
        reply = await asking.answer()
        try:
            return parse(reply.text), replace(reply, repairs=tuple(paid))
        except AnswerError as error:
            problem = str(error)
        self.counters.calls[model.name, "unparsable"] += 1
        self.counters.repairs += 1
        paid.append(reply)
        repair = Asking(self._wire, model, ask_again(asking.question, reply.text, problem), paid)
        reply = await repair.answer()
        try:
            return parse(reply.text), replace(reply, repairs=tuple(paid), attempts=asking.sent + repair.sent)
        except AnswerError as error:
            paid.append(reply)
            raise CallFailedError("unparsable", str(error), asking.sent + repair.sent, tuple(paid)) from None

    def _model(self, name: str) -> Model:
        model = self._models.get(name)
        if model is None:
            if name not in self._specs:
                raise CallFailedError("internal", f"no model called {name!r} (have: {', '.join(sorted(self._specs))})")
            spec = self._specs[name]
            model = self._models[name] = Model(name, spec, self._transport(spec))
        return model

    def _transport(self, spec: ModelSpec) -> Transport:
        secrets = [
            self._env[s.api_key_env] for s in self._specs.values() if s.api_key_env and s.api_key_env in self._env
        ]
        if spec.mode == "batch":
            return self._batches(spec, secrets)
        return over_replicas(spec, lambda server: open_transport(server, self._env, secrets))

    def _batches(self, spec: ModelSpec, secrets: list[str]) -> Transport:
        from rayjob.llm.batch import BatchNotes, BatchTransport
        from rayjob.llm.batch_api import BatchApi

        notes = BatchNotes(self._ledger.files, self._ledger.path) if self._ledger is not None else None
        return BatchTransport(spec, BatchApi(spec, self._env, secrets), notes)


def open_transport(spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str]) -> Transport:
    """Plain HTTP where the API is OpenAI's, LiteLLM for every other provider. One server; `mode` is not looked at."""
    if goes_direct(spec):
        return DirectTransport(spec, env, secrets)
    from rayjob.llm.via_litellm import LiteLLMTransport

    return LiteLLMTransport(spec, env, secrets)


def ask_again(question: Question, text: str, problem: str) -> Question:
    """The repair question: the same one, with the answer that could not be used and why at its end.

    In the last message, not behind it: the prompt's prefix stays cached and the conversation stays one turn.
    """
    last = question.messages[-1]
    note = (
        f"{last['content']}\n\nYou answered this before with:\n{text[:QUOTED_CHARS]}\n"
        f"That answer cannot be used: {problem}\nAnswer again: one JSON object as asked for above, nothing else."
    )
    return replace(question, messages=[*question.messages[:-1], {**last, "content": note}], plain=(), shorter=())
