"""An embedding model behind an API, inside an actor: calls leased from the governor, counted, stopped with the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rayjob.engine.contact import Contact
from rayjob.engine.operator import Secrets
from rayjob.engine.tally import Tally
from rayjob.labels.asking import CallFailedError
from rayjob.llm.embeddings import EmbeddingClient
from rayjob.llm.errors import RunStoppedError
from rayjob.spec.models import ModelSpec
from rayjob.vectors.cache import PartlyEmbeddedError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remote:
    """What an actor needs to ask: the run, the model by its name in the spec, the governor, the keys."""

    run: str
    name: str
    model: ModelSpec
    governor: Any
    batch: int
    secrets: Secrets = field(default_factory=Secrets)


class EmbeddingStoppedError(PartlyEmbeddedError):
    """The run has to end, or the provider does not embed: the part stays undone, and is asked for when it goes on."""


class RemoteNetwork:
    """Texts in, vectors out, as any network; the event loop that calls need lives in a thread of its own."""

    compute = "remote"

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.tally = Tally()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="rayjob-embed", daemon=True).start()
        self._wait(self._open())

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) in the order of the texts. Raises EmbeddingStoppedError; the governor has been told why."""
        if self.contact.draining:
            raise EmbeddingStoppedError(self.contact.draining, {})
        try:
            return self._wait(self.client.embed(texts))
        except PartlyEmbeddedError as stop:
            reason, known = self._reason(stop), stop.known
        self.tally.stop = self.tally.stop or reason
        self.tell()
        raise EmbeddingStoppedError(reason, known)

    def _reason(self, stop: PartlyEmbeddedError) -> str:
        match stop.__cause__:
            case CallFailedError(kind=kind, message=message):
                return f"{kind}: embedding by '{self.remote.name}' failed: {message}"
            case RunStoppedError(kind=kind, message=message):
                return f"{kind}: {message}"
        raise stop  # a fault of ours

    def spent(self) -> dict[str, float]:
        """Calls, tokens and dollars so far."""
        self._fill_tally()
        return {"calls": self.tally.calls, "tokens": self.tally.prompt_tokens, "cost_usd": self.tally.cost_usd}

    def tell(self) -> None:
        """Report now: the actor may be gone before the next beat."""
        self._wait(self.contact.tell())

    async def _open(self) -> None:
        remote = self.remote
        self.contact = Contact(remote.governor, remote.run, self.tally, self._fill_tally)
        self.client = EmbeddingClient(remote.name, remote.model, self.contact.gate, remote.secrets, remote.batch)
        self.contact.begin()

    def _fill_tally(self) -> None:
        self.tally.count_calls(self.client.counters)

    def _wait(self, task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(task, self.loop).result()
