"""An actor's contact with the governor: capacity comes through its gate, what the actor did is told twice a second."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from rayjob.engine.tally import Tally
from rayjob.llm.gate import Gate

TALLY_S = 0.5


class Contact:
    """One actor's; made in the event loop that its calls run in. A governor that restarts meanwhile does no harm.

    governor: the actor's handle. fill: brings `tally`, the actor's totals, up to date; called before each telling.
    """

    def __init__(self, governor: Any, run: str, tally: Tally, fill: Callable[[], None]) -> None:
        self._governor, self._run, self._name = governor, run, uuid.uuid4().hex[:12]
        self._tally, self._fill = tally, fill
        self.gate = Gate(self._name, governor.exchange.remote, run)
        #: Why the run is ending, as the governor said; empty while it is not.
        self.draining = ""

    def begin(self) -> None:
        """Tell from now on by itself."""
        self._heartbeat = asyncio.create_task(self._beat())  # a task that nobody holds may be collected

    async def tell(self) -> None:
        """Tell now: the actor may be gone before the next beat."""
        self._fill()
        if self.gate.stopped and not self._tally.stop:
            self._tally.stop = ": ".join(self.gate.stopped)
        try:
            reason = await self._governor.note.remote(self._run, self._name, self._tally)
        except Exception:  # noqa: BLE001 - a governor that restarts misses a beat; the next one carries the same totals
            return
        self.draining = self.draining or str(reason)

    async def _beat(self) -> None:
        while True:
            await self.tell()
            await asyncio.sleep(TALLY_S)
