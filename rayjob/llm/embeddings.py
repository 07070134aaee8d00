"""Texts to vectors by an embedding model of the spec: in batches, within its limits, booked like any other call.

Keeps no vectors: whoever asks does (rayjob.vectors.cache). A text that the model calls too long is cut until it fits.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.asking import CallFailedError, Question
from rayjob.llm.attempts import Asking, Model, Wire
from rayjob.llm.counters import Counters
from rayjob.llm.direct import DirectTransport, goes_direct
from rayjob.llm.errors import ProviderError, RunStoppedError
from rayjob.llm.gate import Gate
from rayjob.llm.replicas import over_replicas
from rayjob.llm.transport import Answer, Call, Transport
from rayjob.spec.models import ModelSpec
from rayjob.vectors.cache import PartlyEmbeddedError
from rayjob.vectors.check import unit

Vectors = NDArray[np.float32]
#: Providers take about 300,000 tokens a request; so many characters are safely below that in any language.
BATCH_CHARS = 200_000
#: A text that is refused as too long is halved, down to this.
LEAST_CHARS = 200


class EmbeddingClient:
    """One model's embeddings; belongs to the event loop that it is first used in.

    name: of the model in the spec. batch: texts a request at most. `wire` is only for tests.
    """

    def __init__(
        self, name: str, spec: ModelSpec, gate: Gate, env: Mapping[str, str], batch: int = 64, wire: Wire | None = None
    ) -> None:
        secrets = [env[name] for name in (spec.api_key_env,) if name and name in env]
        self._model = Model(name, spec, over_replicas(spec, lambda server: open_transport(server, env, secrets)))
        self._model.completion_tokens = 0.0  # a vector has none; nothing has to be learned
        self._wire = wire or Wire(gate, Counters())
        self._batch = batch
        self.counters = self._wire.counters

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, d) vectors of length one, in the order of the texts.

        Raises PartlyEmbeddedError from a CallFailedError after the last attempt, or from a RunStoppedError where the
        whole run has to end; requests that are under way are waited for, since they will have to be paid.
        """
        if not texts:
            return np.empty((0, 0), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = list(cut([texts[place] for place in order], self._batch))
        found = await asyncio.gather(*(self._ask(part) for part in parts), return_exceptions=True)
        known, failures = _sort_out(found, parts, order)
        if failures:
            raise PartlyEmbeddedError(str(failures[0]), known) from failures[0]
        widths = sorted({len(vector) for vector in known.values()})
        if len(widths) > 1:
            uneven = CallFailedError("server", f"vectors of different lengths came back: {widths}")
            raise PartlyEmbeddedError(str(uneven), {}) from uneven
        return np.stack([known[place] for place in range(len(texts))])

    async def close(self) -> None:
        """Gives connections back."""
        await self._model.transport.close()

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        # An empty text is refused by OpenAI's API and embedded by others: a space is the same everywhere.
        messages = [{"role": "user", "content": text if text.strip() else " "} for text in texts]
        try:
            reply = await Asking(self._wire, self._model, Question("embed", self._model.name, messages), []).answer()
        except CallFailedError as error:
            shorter = simpler(texts) if error.kind in ("context", "bad_request") else []
            if not shorter or (error.kind == "bad_request" and len(texts) == 1):
                raise
            return np.concatenate([await self._ask(part) for part in shorter])
        return decode(reply.text, len(texts))


def _sort_out(
    found: Sequence[Vectors | BaseException], parts: Sequence[Sequence[str]], order: Sequence[int]
) -> tuple[dict[int, Vectors], list[BaseException]]:
    """Vectors by place, and what went wrong: an end of the run first, since it explains the rest."""
    known: dict[int, Vectors] = {}
    failures: list[BaseException] = []
    begin = 0
    for part, vectors in zip(parts, found, strict=True):
        places = order[begin : begin + len(part)]
        begin += len(part)
        if isinstance(vectors, BaseException):
            failures.append(vectors)
        else:
            known.update(zip(places, unit(vectors), strict=True))
    return known, sorted(failures, key=lambda failure: not isinstance(failure, RunStoppedError))


def cut(texts: Sequence[str], most: int) -> Iterable[list[str]]:
    """Batches of at most `most` texts and BATCH_CHARS characters; a text longer than that goes alone."""
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == most or chars + len(text) > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch


def simpler(texts: Sequence[str]) -> list[list[str]]:
    """What to ask instead where a request was too much: two halves of the batch, or half of a single text."""
    if len(texts) > 1:
        half = len(texts) // 2
        return [list(texts[:half]), list(texts[half:])]
    return [[texts[0][: len(texts[0]) // 2]]] if len(texts[0]) >= 2 * LEAST_CHARS else []


def open_transport(spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str]) -> Transport:
    """Plain HTTP where the API is OpenAI's, LiteLLM for every other provider. One server."""
    if goes_direct(spec):
        return DirectEmbeddings(spec, env, secrets)
    from rayjob.llm.via_litellm import LiteLLMEmbeddings

    return LiteLLMEmbeddings(spec, env, secrets)


class DirectEmbeddings(DirectTransport):
    """POST /embeddings of an OpenAI-compatible server."""

    path = "/embeddings"

    def _body(self, call: Call) -> dict[str, Any]:
        return embedding_body(call)

    def _read_data(self, data: Mapping[str, Any]) -> Answer:
        return read_embeddings(data)


def embedding_body(call: Call) -> dict[str, Any]:
    """The parameters of an embedding call, without the model."""
    return {"input": [message["content"] for message in call.messages], **call.spec.params}


def read_embeddings(data: Mapping[str, Any]) -> Answer:
    """An OpenAI-style list of embeddings as an Answer; its text is the vectors, see `decode`."""
    rows = sorted(data["data"], key=lambda item: item.get("index") or 0)
    usage = data.get("usage") or {}
    tokens = usage.get("prompt_tokens") or usage.get("total_tokens") or 0
    return Answer(encode([row["embedding"] for row in rows]), prompt_tokens=tokens)


def encode(rows: Sequence[Any]) -> str:
    """Vectors as text: float32 in base64. Raises ProviderError for what is no matrix of finite numbers."""
    try:
        vectors = np.array(rows, np.float32)
    except (TypeError, ValueError) as error:
        raise ProviderError("server", f"not vectors ({error})") from None
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise ProviderError("server", f"not vectors: shape {vectors.shape}, or numbers that are not finite")
    return base64.b64encode(vectors.tobytes()).decode() + f"/{vectors.shape[0]}"


def decode(text: str, rows: int) -> Vectors:
    """(rows, d) vectors. Raises CallFailedError where another number of them came back."""
    body, _, count = text.rpartition("/")
    if int(count) != rows:
        raise CallFailedError("server", f"{rows} texts were sent, {count} vectors came back")
    return np.frombuffer(base64.b64decode(body), np.float32).reshape(rows, -1)
