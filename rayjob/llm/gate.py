"""Where calls wait for capacity: one gate an actor, so that one message to the governor serves many.

Waiting holds no slot and counts in no timeout.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rayjob.llm.budget import BudgetState
from rayjob.llm.errors import RunStoppedError, Signal
from rayjob.llm.exchange import Exchange, Grant, Outcome, Report
from rayjob.llm.limits import Governor

HEARTBEAT_S = 0.25
LEAST_SPACING_S = 0.02
#: After a governor that cannot be reached.
REPEAT_S = 1.0


@dataclass(slots=True)
class Slot:
    """The right to one call, from `Gate.acquire` until `Gate.release`."""

    key: str
    est_tokens: float
    waited_s: float
    began: float


class _Lane:
    """This gate's side of one limit key."""

    def __init__(self) -> None:
        self.first: deque[asyncio.Future[None]] = deque()
        self.later: deque[asyncio.Future[None]] = deque()
        self.wake = asyncio.Event()
        self.outcomes: list[Outcome] = []
        self.slots = self.stock = self.in_flight = self.started = 0
        self.spent_usd = 0.0
        self.est_tokens = self.est_usd = 0.0
        self.wait_s = 0.0

    @property
    def waiting(self) -> int:
        return len(self.first) + len(self.later)

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.in_flight or self.outcomes)

    def may_start(self) -> bool:
        return self.stock > 0 and self.in_flight < self.slots

    def start(self) -> None:
        self.stock -= 1
        self.in_flight += 1
        self.started += 1

    def serve(self) -> None:
        """Lets those through that may start: first questions of their rows, then the others, each in order."""
        while self.waiting and self.may_start():
            future = (self.first or self.later).popleft()
            if not future.done():
                self.start()
                future.set_result(None)
        if self.waiting and self.stock == 0:
            self.wake.set()

    def fail(self, error: RunStoppedError) -> None:
        while self.waiting:
            future = (self.first or self.later).popleft()
            if not future.done():
                future.set_exception(error)

    def apply(self, grant: Grant) -> None:
        self.slots, self.wait_s = grant.slots, grant.wait_s
        self.stock = 0 if grant.hold else self.stock + grant.calls

    def want(self) -> int:
        """Permits for those who wait, and for those who will start before the next report."""
        ahead = min(2 * max(self.started, 2), 2 * max(1, self.slots)) if not self.idle else 0
        return max(0, self.waiting + ahead - self.stock)


class Gate:
    """Grants `acquire` within what the governor allows. `client` names this actor, uniquely in the cluster."""

    def __init__(
        self, client: str, exchange: Exchange, run: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._exchange = exchange
        self._run = run
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.stopped: tuple[str, str] | None = None
        self.budget_state = BudgetState()
        self.lost_messages = 0

    async def acquire(self, key: str, est_tokens: float = 0.0, est_usd: float = 0.0, later: bool = False) -> Slot:
        """Waits for a slot and a permit. Raises RunStoppedError once the run has to end.

        `later`: the row was asked about before. Rows that were not go first: a run ends with the last row's last call,
        and would end with its last two.
        """
        lane = self._lane(key)
        asked = self._clock()
        # A mean that follows quickly: the governor multiplies it by a count of calls.
        lane.est_tokens += 0.1 * (est_tokens - lane.est_tokens) if lane.est_tokens else est_tokens
        lane.est_usd += 0.1 * (est_usd - lane.est_usd) if lane.est_usd else est_usd
        if self.stopped is not None:
            raise RunStoppedError(*self.stopped)
        if not lane.waiting and lane.may_start():
            lane.start()
        else:
            await self._wait(lane, later)
        now = self._clock()
        return Slot(key, est_tokens, now - asked, now)

    def release(self, slot: Slot, outcome: Outcome, usd: float = 0.0) -> None:
        """Gives the slot back and says how the call ended."""
        lane = self._lanes[slot.key]
        lane.in_flight -= 1
        lane.spent_usd += usd
        lane.outcomes.append(outcome)
        if outcome.signal != Signal.OK:
            lane.wake.set()  # refusals and failures are news to everyone
        lane.serve()

    def state(self) -> dict[str, dict[str, int]]:
        """In flight, waiting and slots by key, as this gate sees them."""
        return {
            key: {"in_flight": lane.in_flight, "waiting": lane.waiting, "slots": lane.slots}
            for key, lane in sorted(self._lanes.items())
        }

    async def close(self) -> None:
        """Reports the rest and stops. Whoever still waits gets RunStoppedError."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for key, lane in self._lanes.items():
            lane.fail(RunStoppedError("internal", "the client was closed"))
            lane.stock = 0
            await self._talk(key, lane)

    def _lane(self, key: str) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            self._tasks.append(asyncio.create_task(self._keep_talking(key, lane), name=f"gate {key}"))
        return lane

    async def _wait(self, lane: _Lane, later: bool) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (lane.later if later else lane.first).append(future)
        if lane.stock == 0:
            lane.wake.set()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                lane.in_flight -= 1  # it got through in the very moment it was cancelled
                lane.serve()
            raise

    async def _keep_talking(self, key: str, lane: _Lane) -> None:
        while True:
            if lane.idle:
                lane.slots = lane.stock = 0  # somebody else may have them; a new demand asks anew
                await lane.wake.wait()
            lane.wake.clear()
            if not await self._talk(key, lane):
                await asyncio.sleep(REPEAT_S)
                continue
            lane.serve()
            lane.wake.clear()
            await self._pause(lane)

    async def _pause(self, lane: _Lane) -> None:
        """Until the next heartbeat, or until somebody needs permits, but never before the governor's `wait_s`."""
        least_s = max(LEAST_SPACING_S, min(lane.wait_s, HEARTBEAT_S))
        await asyncio.sleep(least_s)
        if lane.waiting and lane.stock == 0 and lane.wait_s <= least_s:
            return
        try:
            async with asyncio.timeout(HEARTBEAT_S - least_s):
                await lane.wake.wait()
        except TimeoutError:
            pass

    async def _talk(self, key: str, lane: _Lane) -> bool:
        outcomes, lane.outcomes = lane.outcomes, []
        report = Report(
            client=self._client,
            key=key,
            run=self._run,
            started=lane.started,
            in_flight=lane.in_flight,
            waiting=lane.waiting,
            stock=lane.stock,
            want=lane.want(),
            est_tokens=lane.est_tokens,
            est_usd=lane.est_usd,
            spent_usd=lane.spent_usd,
            outcomes=tuple(outcomes),
        )
        lane.started = 0
        try:
            grant = await self._exchange(report)
        except Exception:  # noqa: BLE001 - whatever carries the message (a restarting Ray actor) may fail in its own ways
            self.lost_messages += 1
            lane.outcomes = outcomes + lane.outcomes
            return False
        lane.apply(grant)
        self.budget_state = grant.budget
        if grant.stop is not None:
            self.stopped = grant.stop
            for other in self._lanes.values():
                other.fail(RunStoppedError(*grant.stop))
        return True


def direct_exchange(governor: Governor, clock: Callable[[], float] = time.monotonic) -> Exchange:
    """The way to a governor in the same process."""

    async def exchange(report: Report) -> Grant:
        return governor.exchange(report, clock())

    return exchange
