"""Which refusals mean that a limit is reached. Pure; `now` is an argument.

Refusals are set against calls started, not against calls answered: a refusal comes back at once, an answer in seconds.
"""

from __future__ import annotations

from collections import deque
from math import sqrt

#: A burst: a quarter of the last 40 calls, and three at least. 5 % of random refusals do that once in 10^5 calls.
RECENT = 40
BURST_SHARE = 0.25
BURST_LEAST = 3
EPOCH_S = 5.0
EPOCH_LEAST = 150
TRICKLE_SHARE = 0.01
#: Standard errors above the ordinary share that are no chance any more.
SURE = 2.5
#: Cuts without effect after which refusals are taken for the weather.
VAIN_CUTS = 3
REMEMBERED_S = 60


class Refusals:
    """Counts of started and refused calls by second, and what they say."""

    def __init__(self, now: float) -> None:
        self.started_per_s = 0.0
        self._seconds: deque[list[int]] = deque(maxlen=REMEMBERED_S)  # [second, started, refused]
        self._recent: deque[list[int]] = deque()  # [started, refused] of the last RECENT calls or a little more
        self._epoch = (now, 0, 0)
        self._ordinary: float | None = None
        self._vain = 0

    def start(self, calls: int, now: float) -> None:
        """So many calls were sent."""
        if calls:
            self._count(now, calls, 0)
            self._recent.append([calls, 0])
            while sum(chunk[0] for chunk in self._recent) - self._recent[0][0] >= RECENT:
                self._recent.popleft()

    def refuse(self, now: float) -> None:
        """A call was refused."""
        self._count(now, 0, 1)
        if self._recent:
            self._recent[-1][1] += 1

    def are_a_burst(self) -> bool:
        """Whether the last calls were mostly refused."""
        started, refused = (sum(chunk[i] for chunk in self._recent) for i in (0, 1))
        return refused >= max(BURST_LEAST, BURST_SHARE * min(started, RECENT))

    def accepted_per_s(self, window_s: float, now: float) -> float:
        """Calls a second that were sent and not refused in the last `window_s`."""
        taken = sum(started - refused for second, started, refused in self._seconds if second >= now - window_s)
        return max(0, taken) / window_s

    def restart(self, at: float) -> None:
        """Forgets the recent past: it was answered with a cut. Counting goes on at `at`."""
        self._recent.clear()
        self._epoch = (at, 0, 0)

    def excess(self, now: float) -> float:
        """Refused share above the ordinary one, once an epoch; 0 where it may be chance, -1 where cuts do not help."""
        began, started, refused = self._epoch
        if started < EPOCH_LEAST or now - began < EPOCH_S:
            return 0.0
        self._epoch = (now, 0, 0)
        self.started_per_s = started / (now - began)
        share = refused / started
        ordinary = share if self._ordinary is None else self._ordinary
        over = share - ordinary
        if over <= max(TRICKLE_SHARE, SURE * sqrt(ordinary * (1.0 - ordinary) / started)):
            self._ordinary = ordinary + 0.2 * over
            self._vain = 0
            return 0.0
        self._vain += 1
        if self._vain > VAIN_CUTS:
            self._ordinary, self._vain = share, 0
            return -1.0
        return over

    def _count(self, now: float, started: int, refused: int) -> None:
        if not self._seconds or self._seconds[-1][0] != int(now):
            self._seconds.append([int(now), 0, 0])
        self._seconds[-1][1] += started
        self._seconds[-1][2] += refused
        began, all_started, all_refused = self._epoch
        if now >= began:
            self._epoch = (began, all_started + started, all_refused + refused)
