"""How fast one provider key and model may be asked, learned from refusals and latencies. Pure; `now` is an argument.

Two caps adapt: calls in flight, and calls a second (where the spec gives no rpm, or a wrong one). Refusals come in two
shapes. A burst (the provider stopped taking calls): one cut, to what it was just seen to accept. A trickle above the
ordinary share of refusals: a small one. In between both grow, quickly up to the remembered ceiling, slowly beyond it.
"""

from __future__ import annotations

from collections import deque

from rayjob.llm.slowness import Slowness

RAMP_S = 2.0
RAMP_FROM = 0.25
RAMP_LEAST = 50
#: A burst: a quarter of the last outcomes refused, and three at least. 5 % of random refusals do that once in 10^5
#: outcomes.
RECENT = 40
BURST_SHARE = 0.25
BURST_LEAST = 3
BURST_CUT = 0.7
#: A wait this long says that a quota window is used up: nothing gets through before, whoever asks.
LONG_WAIT_S = 5.0
LONGEST_PAUSE_S = 60.0
EPOCH_S = 5.0
EPOCH_LEAST = 50
TRICKLE_SHARE = 0.02
TRICKLE_CUT = 0.97
#: Growth a second, of the cap, under and above the ceiling.
FAST, SLOW = 0.05, 0.004
#: Share of timeouts that means too many in flight rather than bad luck.
TIMEOUT_SHARE = 0.3


class Cap:
    """One adaptive limit and the ceiling it remembers."""

    def __init__(self, value: float, most: float, least: float) -> None:
        self.value, self.most, self.least = value, most, least
        self.ceiling = most

    def cut(self, to: float) -> None:
        """Goes down to `to`; what it was is the ceiling."""
        self.ceiling = min(self.value, self.most)
        self.value = max(self.least, min(self.value, to))

    def grow(self, seconds: float) -> None:
        """Up by FAST a second below 95 % of the ceiling, by SLOW above."""
        pace = FAST if self.value < 0.95 * self.ceiling else SLOW
        self.value = min(self.most, self.value * (1.0 + pace * seconds))


class Pace:
    """The adaptive state of one provider key and model. `rate` is calls a second, infinite until learned."""

    def __init__(self, concurrency: int, now: float) -> None:
        self._began = now
        self._grown_at = now
        self.flight = Cap(concurrency, concurrency, least=min(concurrency, 4))
        self.rate = Cap(float("inf"), float("inf"), least=0.05)
        self.paused_until = 0.0
        self.cuts = 0
        self.slowness = Slowness()
        self._held_until = 0.0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._timeouts: deque[bool] = deque(maxlen=RECENT)
        self._accepted: deque[tuple[float, int]] = deque()
        self._epoch = (now, 0, 0)
        self._ordinary: float | None = None
        self._trickles = 0

    def concurrency(self, now: float) -> int:
        """Calls that may be in flight: the cap, and less than it during the first seconds."""
        share = min(1.0, RAMP_FROM + (1.0 - RAMP_FROM) * (now - self._began) / RAMP_S)
        return max(1, int(min(self.flight.value, max(RAMP_LEAST, self.flight.most * share))))

    def accept(self, latency_s: float, now: float) -> None:
        """The provider took the call and answered."""
        self._note(refused=False, now=now)
        self._timeouts.append(False)
        self.slowness.add(latency_s, now)
        second = float(int(now))
        if self._accepted and self._accepted[-1][0] == second:
            self._accepted[-1] = (second, self._accepted[-1][1] + 1)
        else:
            self._accepted.append((second, 1))
        while self._accepted and self._accepted[0][0] < now - 60.0:
            self._accepted.popleft()

    def refuse(self, retry_after_s: float | None, in_flight: int, now: float) -> None:
        """The provider said: too much."""
        self._note(refused=True, now=now)
        refused = sum(self._recent)
        if now < self._held_until or refused < max(BURST_LEAST, BURST_SHARE * len(self._recent)):
            return
        wait_s = min(retry_after_s or 1.0, LONGEST_PAUSE_S)
        self._hold(wait_s, now)
        self.paused_until = now + wait_s
        self.flight.cut(max(BURST_CUT * in_flight, 1.0))
        self._learn_rate(wait_s, now)

    def time_out(self, in_flight: int, now: float) -> None:
        """A call got no answer in its time. Many of them mean that too many are in flight."""
        self._timeouts.append(True)
        late = sum(self._timeouts)
        if now >= self._held_until and late >= max(BURST_LEAST * 2, TIMEOUT_SHARE * len(self._timeouts)):
            self._timeouts.clear()
            self._hold(self.slowness.median_s or 1.0, now)
            self.flight.cut(BURST_CUT * in_flight)

    def grow(self, in_flight: int, *, rate_binds: bool, now: float) -> None:
        """To be called now and then: raises what binds, lets the latencies speak."""
        seconds, self._grown_at = now - self._grown_at, now
        busy = in_flight >= 0.7 * self.flight.value
        factor = self.slowness.judge(now, busy=busy)
        if factor < 1.0:
            self.flight.cut(factor * self.flight.value)
        elif factor > 1.0:
            self.flight.value = min(self.flight.most, factor * self.flight.value)
        self._end_epoch(now)
        if now < self._held_until:
            return
        if busy:
            self.flight.grow(seconds)
        if rate_binds:
            self.rate.grow(seconds)

    def accepted_per_s(self, window_s: float, now: float) -> float:
        """Calls a second that were answered over the window; a younger run divides by all of it too."""
        return sum(n for second, n in self._accepted if second >= now - window_s) / window_s

    def _note(self, *, refused: bool, now: float) -> None:
        self._recent.append(refused)
        began, calls, refusals = self._epoch
        self._epoch = (began, calls + 1, refusals + refused)

    def _hold(self, wait_s: float, now: float) -> None:
        # One cut a burst: what was sent before the cut is still coming back.
        self._held_until = now + wait_s + 1.0 + min(10.0, self.slowness.median_s or 0.0)
        self._recent.clear()
        self._epoch = (self._held_until, 0, 0)
        self.cuts += 1

    def _learn_rate(self, wait_s: float, now: float) -> None:
        if wait_s >= LONG_WAIT_S:  # a window of a minute, full now: what it took is its size
            learned = 0.97 * self.accepted_per_s(60.0, now)
        else:
            learned = 0.9 * self.accepted_per_s(min(5.0, max(1.0, now - self._began)), now)
        if learned > 0:
            self.rate.cut(learned)
            self.rate.ceiling = self.rate.value

    def _end_epoch(self, now: float) -> None:
        """Compares the share of refusals with the ordinary one; a trickle above it takes a little off the rate."""
        began, calls, refusals = self._epoch
        if calls < EPOCH_LEAST or now - began < EPOCH_S:
            return
        self._epoch = (now, 0, 0)
        share = refusals / calls
        if self._ordinary is None or share <= self._ordinary + TRICKLE_SHARE or self._trickles >= 3:
            # Three cuts that changed nothing: the refusals have another cause, and are ordinary from now on.
            self._ordinary = (
                share if self._ordinary is None or self._trickles >= 3 else min(share, self._ordinary + 0.002)
            )
            self._trickles = 0
            return
        self._trickles += 1
        rate = self.accepted_per_s(5.0, now) if self.rate.value == float("inf") else self.rate.value
        self.rate.cut(TRICKLE_CUT * rate)
        self.rate.ceiling = self.rate.value
        self._held_until = now + EPOCH_S
