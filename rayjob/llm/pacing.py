"""How fast one provider key and model may be asked, learned from refusals and latencies. Pure; `now` is an argument.

Two caps adapt: calls in flight, and calls a second (where the spec gives no rpm, or a wrong one). Refusals come in two
shapes. A burst (the provider stopped taking calls): one cut, to what it was just seen to take. A trickle above the
ordinary share of refusals: as much off the rate as was refused. In between both caps grow: quickly up to the remembered
ceiling, hardly at all around it, and faster the longer nothing was refused (the shape of CUBIC, Ha, Rhee & Xu 2008).
"""

from __future__ import annotations

from collections import deque

from rayjob.llm.refusals import Refusals
from rayjob.llm.slowness import Slowness

RAMP_S = 2.0
RAMP_FROM = 0.25
RAMP_LEAST = 50
BURST_CUT = 0.7
#: A wait this long says that a quota window is used up: nothing gets through before, whoever asks.
LONG_WAIT_S = 5.0
LONGEST_PAUSE_S = 60.0
QUOTA_WINDOW_S = 60.0
#: What of a learned rate is used: the next refusal tells more than the last per cent brings.
MARGIN = 0.98
#: A provider's wait is rounded to whole seconds, down as often as up.
ROUNDING_S = 0.6
#: Growth of a cap, share a second: under its ceiling, around it, and the seconds after which "around" has doubled.
#: A window of a minute tells a minute late that it was overdrawn.
FAST, SLOW, PATIENCE_S, QUOTA_PATIENCE_S = 0.05, 0.001, 20.0, 60.0
#: Of the last 40 calls, so many timeouts mean too many in flight rather than bad luck.
LATE_OF, LATE_LEAST = 40, 12


class Cap:
    """One adaptive limit and the ceiling it remembers."""

    def __init__(self, value: float, most: float, least: float) -> None:
        self.value, self.most, self.least = value, most, least
        self.ceiling = most
        self.patience_s = PATIENCE_S
        self._cut_at = float("-inf")

    def cut(self, to: float, ceiling: float, now: float) -> None:
        """Goes down to `to`, and will find the air thin at `ceiling`."""
        self.ceiling, self._cut_at = min(ceiling, self.most), now
        self.value = max(self.least, min(self.value, to))

    def grow(self, seconds: float, now: float) -> None:
        """Up, by FAST a second below 95 % of the ceiling."""
        calm = (now - self._cut_at) / self.patience_s
        pace = FAST if self.value < 0.95 * self.ceiling else min(FAST, SLOW * (1.0 + calm * calm))
        self.value = min(self.most, self.value * (1.0 + pace * seconds))


class Pace:
    """The adaptive state of one provider key and model. `rate` is calls a second, infinite until learned."""

    def __init__(self, concurrency: int, now: float) -> None:
        self._began = self._grown_at = now
        self.flight = Cap(concurrency, concurrency, least=min(concurrency, 4))
        self.rate = Cap(float("inf"), float("inf"), least=0.05)
        self.paused_until = float("-inf")
        self.cuts = 0
        self.slowness = Slowness(now)
        self._refusals = Refusals(now)
        self._late: deque[bool] = deque(maxlen=LATE_OF)
        self._held_until = float("-inf")

    def concurrency(self, now: float) -> int:
        """Calls that may be in flight: the cap, and less than it during the first seconds."""
        share = min(1.0, RAMP_FROM + (1.0 - RAMP_FROM) * (now - self._began) / RAMP_S)
        return max(1, int(min(self.flight.value, max(RAMP_LEAST, self.flight.most * share))))

    def start(self, calls: int, now: float) -> None:
        """So many calls were sent."""
        self._refusals.start(calls, now)
        self.slowness.start(calls, now)

    def accept(self, latency_s: float, now: float) -> None:
        """The provider took a call and answered."""
        self._late.append(False)
        self.slowness.add(latency_s, now)

    def refuse(self, retry_after_s: float | None, in_flight: int, now: float) -> None:
        """The provider said: too much."""
        self._refusals.refuse(now)
        if now < self._held_until or not self._refusals.are_a_burst():
            return
        wait_s = min(retry_after_s or 1.0, LONGEST_PAUSE_S)
        self.paused_until = now + wait_s + ROUNDING_S
        self.flight.cut(BURST_CUT * in_flight, float(in_flight), now)
        self._learn_rate(wait_s, now)
        self._hold(wait_s, now)

    def time_out(self, in_flight: int, now: float) -> None:
        """A call got no answer in its time. Many of them mean that too many are in flight."""
        self._late.append(True)
        if now >= self._held_until and sum(self._late) >= LATE_LEAST:
            self._late.clear()
            self.flight.cut(BURST_CUT * in_flight, float(in_flight), now)
            self._hold(1.0, now)

    def grow(self, in_flight: int, *, rate_binds: bool, now: float) -> None:
        """To be called now and then: raises what binds, lets latencies and trickles of refusals speak."""
        seconds, self._grown_at = now - self._grown_at, now
        busy = in_flight >= 0.9 * self.flight.value
        factor = self.slowness.judge(now, busy=busy)
        if factor < 1.0:
            self.flight.value = max(self.flight.least, factor * self.flight.value)
            self.cuts += 1
        elif factor > 1.0:
            self.flight.value = min(self.flight.most, factor * self.flight.value)
        if now < self._held_until:
            return
        self._answer_trickle(in_flight, now, flight_binds=busy and not rate_binds)
        if busy and not self.slowness.forbids_growth:
            self.flight.grow(seconds, now)
        if rate_binds:
            self.rate.grow(seconds, now)

    def _answer_trickle(self, in_flight: int, now: float, *, flight_binds: bool) -> None:
        excess = self._refusals.excess(now)
        if excess > 0:
            self.cuts += 1
            if flight_binds:
                self.flight.cut(MARGIN * (1.0 - excess) * in_flight, (1.0 - excess) * in_flight, now)
            else:
                rate = (1.0 - excess) * min(self.rate.value, self._refusals.started_per_s)
                self.rate.cut(MARGIN * rate, rate, now)
        elif excess < 0:  # the cuts changed nothing: refusals of another cause
            self.rate.value = self.rate.ceiling = float("inf")

    def _hold(self, wait_s: float, now: float) -> None:
        # One cut a burst: what was sent before it is still coming back.
        self._held_until = now + wait_s + 1.0 + min(10.0, self.slowness.median_s or 0.0)
        self._refusals.restart(self._held_until)
        self.cuts += 1

    def _learn_rate(self, wait_s: float, now: float) -> None:
        # A long wait: a window of a minute is full, and what it took is its size, however young the run is.
        # A short one: what was taken in the last seconds, or in the last minute where those were a pause.
        if wait_s >= LONG_WAIT_S:
            self.rate.patience_s = QUOTA_PATIENCE_S
        learned = self._refusals.accepted_per_s(QUOTA_WINDOW_S, now)
        if wait_s < LONG_WAIT_S:
            learned = max(learned, self._refusals.accepted_per_s(min(5.0, max(1.0, now - self._began)), now))
        if self.rate.value < float("inf"):
            learned = max(learned, 0.5 * self.rate.value)  # after an outage the last minute says little
        if learned > 0:
            self.rate.cut(MARGIN * learned, learned, now)
