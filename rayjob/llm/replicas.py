"""Several servers of one model: all calls of a row go to the same one, so that its prefix cache serves them.

Calls of no row (embeddings, which share no prefix) take the servers in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from zlib import crc32

from rayjob.llm.errors import ProviderError
from rayjob.llm.transport import Answer, Call, Transport
from rayjob.spec.models import ModelSpec

#: So long a server that could not be reached is passed over.
REST_S = 30.0


def over_replicas(spec: ModelSpec, make: Callable[[ModelSpec], Transport]) -> Transport:
    """What `make` opens for a model; where it has replicas, one for each of its servers and calls spread over them."""
    if not spec.replicas:
        return make(spec)
    bases = (spec.api_base, *spec.replicas)
    return Replicas([make(spec.model_copy(update={"api_base": base, "replicas": ()})) for base in bases])


class Replicas:
    """Carries a call to the server of its row; while that one cannot be reached, to the next. Spreads rows evenly."""

    def __init__(self, transports: Sequence[Transport], clock: Callable[[], float] = time.monotonic) -> None:
        self._transports = tuple(transports)
        self._clock = clock
        self._resting = [float("-inf")] * len(self._transports)
        self._calls = 0

    async def send(self, call: Call) -> Answer:
        """See Transport.send."""
        place = self._choose(call)
        try:
            return await self._transports[place].send(call)
        except ProviderError as error:
            if error.kind == "connection":  # the next attempt goes to another one
                self._resting[place] = self._clock() + REST_S
            raise

    async def close(self) -> None:
        """See Transport.close."""
        for transport in self._transports:
            await transport.close()

    def _choose(self, call: Call) -> int:
        self._calls += 1
        first = crc32(call.row.encode()) if call.row else self._calls
        places = [(first + step) % len(self._transports) for step in range(len(self._transports))]
        now = self._clock()
        return next((place for place in places if self._resting[place] <= now), places[0])
