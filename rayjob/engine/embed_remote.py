"""An embedding model behind an API, inside an actor: calls leased from the governor, counted, stopped with the run."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rayjob.engine.operator import TALLY_S, Secrets, fill_from_counters
from rayjob.engine.tally import Tally
from rayjob.labels.asking import CallFailedError
from rayjob.llm.embeddings import EmbeddingClient
from rayjob.llm.errors import RunStoppedError
from rayjob.llm.gate import Gate
from rayjob.spec.models import ModelSpec

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


class EmbeddingStoppedError(Exception):
    """The run has to end, or the provider does not embed: the part stays undone, and is asked for when it goes on."""


class RemoteNetwork:
    """Texts in, vectors out, as any network; the event loop that calls need lives in a thread of its own."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.tally, self.name = Tally(), uuid.uuid4().hex[:12]
        self.draining = ""
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="rayjob-embed", daemon=True).start()
        self._wait(self._open())

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) in the order of the texts. Raises EmbeddingStoppedError; the governor has been told why."""
        if self.draining:
            raise EmbeddingStoppedError(self.draining)
        try:
            return self._wait(self.client.embed(texts))
        except RunStoppedError as stop:
            reason = f"{stop.kind}: {stop.message}"
        except CallFailedError as failed:
            reason = f"{failed.kind}: embedding by '{self.remote.name}' failed: {failed.message}"
        self.tally.stop = self.tally.stop or reason
        self._wait(self._note())
        raise EmbeddingStoppedError(reason)

    def spent(self) -> dict[str, float]:
        """Calls, tokens and dollars so far."""
        fill_from_counters(self.tally, self.client.counters)
        return {"calls": self.tally.calls, "tokens": self.tally.prompt_tokens, "cost_usd": self.tally.cost_usd}

    def tell(self) -> None:
        """Report now: the actor may be gone before the next beat."""
        self._wait(self._note())

    async def _open(self) -> None:
        remote = self.remote
        exchange = remote.governor.exchange.remote
        gate = Gate(self.name, lambda report: _await(exchange(report)), remote.run)
        self.client = EmbeddingClient(remote.name, remote.model, gate, remote.secrets, remote.batch)
        self.heartbeat = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            await self._note()
            await asyncio.sleep(TALLY_S)

    async def _note(self) -> None:
        fill_from_counters(self.tally, self.client.counters)
        try:
            reason = await self.remote.governor.note.remote(self.remote.run, self.name, self.tally)
        except Exception:  # noqa: BLE001 - a governor that restarts misses a beat; the next one carries the same totals
            return
        self.draining = self.draining or str(reason)

    def _wait(self, task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(task, self.loop).result()


async def _await(reference: Any) -> Any:
    return await reference
