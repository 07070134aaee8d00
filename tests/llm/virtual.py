"""A world with a clock of its own: asyncio where sleeping takes no time, a simulated provider, and clients that ask it.

Deterministic: the same seed gives the same run, and minutes of it pass in a second.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rayjob.llm.errors import REACTIONS, ProviderError, backoff_s
from rayjob.llm.exchange import Exchange, Grant, Outcome, Report
from rayjob.llm.gate import Gate
from rayjob.llm.limits import Governor
from rayjob.spec.models import LimitsSpec

T = TypeVar("T")


class _NoWait(selectors.SelectSelector):
    """A selector that moves the loop's clock on where another would wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the virtual world has come to a standstill: everything waits for something else")
        self.loop.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _NoWait()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


@dataclass
class World:
    """A provider with its limits. `refused` counts only what it refused for its limits, not injected 429s."""

    loop: VirtualLoop
    latency_s: float = 1.0
    sigma: float = 0.4
    rpm: int = 0
    most: int = 0
    capacity: int = 0
    storm: dict[str, float] = field(default_factory=dict)
    down: tuple[float, float] = (0.0, 0.0)
    slow_from: float = float("inf")
    seed: int = 1

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.in_flight = self.peak = 0
        self.answers: list[float] = []
        self.refused: list[float] = []
        self.requests: list[float] = []
        self.busy_s = 0.0
        self.window: deque[float] = deque()

    def rate(self, times: list[float], begin: float, end: float) -> float:
        """Events a second between two times."""
        return sum(1 for at in times if begin <= at < end) / (end - begin)

    async def call(self) -> None:
        """One request; raises ProviderError."""
        self.requests.append(self.loop.now)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        began = self.loop.now
        try:
            await self._answer()
        finally:
            self.in_flight -= 1
            self.busy_s += self.loop.now - began
        self.answers.append(self.loop.now)

    async def _answer(self) -> None:
        now = self.loop.now
        await asyncio.sleep(0.005)
        if self.down[0] <= now < self.down[1]:
            raise ProviderError("connection", "down")
        while self.window and now - self.window[0] > 60:
            self.window.popleft()
        if self.rpm and len(self.window) >= self.rpm:
            self.refused.append(now)
            raise ProviderError("overload", "window", max(1.0, round(60 - (now - self.window[0]))))
        if self.most and self.in_flight > self.most:
            self.refused.append(now)
            raise ProviderError("overload", "too many at once")
        self.window.append(now)
        fault = self._draw()
        if fault == "overload":
            raise ProviderError("overload", "injected", 1.0)
        load = max(1.0, self.in_flight / self.capacity) if self.capacity else 1.0
        slow = 3.0 if now >= self.slow_from else 1.0
        await asyncio.sleep(slow * load * self.latency_s * self.random.lognormvariate(0, self.sigma))
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault:
            raise ProviderError(fault, "injected")

    def _draw(self) -> str:
        draw = self.random.random()
        for kind, share in self.storm.items():
            draw -= share
            if draw < 0:
                return kind
        return ""


@dataclass
class Fleet:
    """Clients (gates) with so many rows each that want answers all the time."""

    world: World
    governor: Governor
    clients: int = 2
    rows: int = 200
    timeout_s: float = 30.0
    usd: float = 0.0
    tokens: float = 0.0

    def __post_init__(self) -> None:
        self.failed: Counter[str] = Counter()
        self.gates = [Gate(f"client-{i}", self._exchange(), clock=self.world.loop.time) for i in range(self.clients)]
        self.exchanges = 0
        self.tasks: list[asyncio.Task[None]] = []

    def _exchange(self) -> Exchange:
        async def exchange(report: Report) -> Grant:
            self.exchanges += 1
            await asyncio.sleep(0.003)  # there
            grant = self.governor.exchange(report, self.world.loop.now)
            await asyncio.sleep(0.003)  # and back
            return grant

        return exchange

    def start(self) -> None:
        """Lets all rows go."""
        for i, gate in enumerate(self.gates):
            self.tasks += [asyncio.create_task(self._row(gate, random.Random(1000 * i + j))) for j in range(self.rows)]

    async def _row(self, gate: Gate, rng: random.Random) -> None:
        while True:
            tried: Counter[str] = Counter()
            while (kind := await self._attempt(gate, rng, tried)) is not None:
                if tried[kind] >= REACTIONS[kind].attempts:
                    self.failed[kind] += 1
                    break

    async def _attempt(self, gate: Gate, rng: random.Random, tried: Counter[str]) -> str | None:
        slot = await gate.acquire("key", self.tokens, self.usd)
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.world.call()
        except (ProviderError, TimeoutError) as caught:
            error = caught if isinstance(caught, ProviderError) else ProviderError("timeout", "late")
        else:
            gate.release(
                slot, Outcome(REACTIONS["unparsable"].signal, latency_s=self.world.loop.now - slot.began), self.usd
            )
            return None
        tried[error.kind] += 1
        signal = REACTIONS[error.kind].signal
        gate.release(slot, Outcome(signal, error.kind, self.world.loop.now - slot.began, 0.0, error.retry_after_s))
        await asyncio.sleep(backoff_s(error.kind, tried[error.kind], error.retry_after_s, rng))
        return error.kind


def simulate(
    seconds: float, limits: LimitsSpec, *, clients: int = 2, rows: int = 200, **world: Any
) -> tuple[World, Fleet]:
    """Runs a fleet against a world for so many virtual seconds."""

    async def main(loop: VirtualLoop) -> tuple[World, Fleet]:
        place = World(loop, **world)
        fleet = Fleet(place, Governor({"key": limits}), clients, rows)
        fleet.start()
        await asyncio.sleep(seconds)
        return place, fleet

    return run_virtually(main)
