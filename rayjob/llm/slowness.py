"""Finds the server that slows down under our load without ever saying so (a vLLM does). Pure; the clock is an argument.

Latency alone cannot tell "our load is too much" from "a slow hour" or an honest wide spread. So a cut is an experiment:
when the median is 2.5 times the normal one, concurrency goes to three quarters; if the median follows, the cut stays
until it is normal again, otherwise it is undone and the slower median becomes what is normal. (Idea of the limit:
Netflix concurrency-limits' Gradient2; the check is ours.)
"""

from __future__ import annotations

from statistics import median

#: A median of 60 lognormal latencies (sigma 0.5) is within 17 % in 19 of 20 cases; doubling is far outside.
LEAST_SAMPLES = 60
LEAST_EPOCH_S = 2.0
#: The first answers after a change are the fast ones; only after this many medians do answers show the true spread.
SETTLE_MEDIANS = 3.0
#: Calls sent in the first moments, before the ramp is over, are the first measure of what is normal.
FIRST_S, FIRST_LEAST = 0.5, 20
TOLERANCE = 2.5
CUT = 0.75
FOLLOWED = 0.9
#: Above this, growing would only make it worse.
STILL_SLOW = 1.5


class Slowness:
    """Judges epochs of latencies. One instance a provider key and model."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._first_started = 0
        self._first: list[float] = []
        self.normal_s: float | None = None
        self.median_s: float | None = None
        self._latencies: list[float] = []
        self._epoch_began: float | None = None
        self._settling = True
        self._before_cut: float | None = None

    def start(self, calls: int, now: float) -> None:
        """So many calls were sent. The first, sent while few are in flight, show what is normal."""
        if now - self._began <= FIRST_S:
            self._first_started += calls

    def add(self, latency_s: float, now: float) -> None:
        """Notes an answered call."""
        if self.normal_s is None and now - latency_s - self._began <= FIRST_S:
            self._first.append(latency_s)
            if len(self._first) >= max(FIRST_LEAST, 0.9 * self._first_started):
                self.normal_s = median(self._first)
        if self._epoch_began is None:
            self._epoch_began = now - latency_s
        self._latencies.append(latency_s)

    @property
    def forbids_growth(self) -> bool:
        """Whether an experiment is going on, or the last epoch was slow."""
        slow = self.median_s is not None and self.normal_s is not None and self.median_s > STILL_SLOW * self.normal_s
        return slow or self._before_cut is not None

    def judge(self, now: float, *, busy: bool) -> float:
        """The factor that concurrency is to be changed by: 1, CUT, or 1/CUT to undo. `busy`: the cap is used."""
        if self._epoch_began is None or len(self._latencies) < LEAST_SAMPLES or now - self._epoch_began < LEAST_EPOCH_S:
            return 1.0
        middle_s = median(self._latencies)
        if self._settling and now - self._epoch_began < SETTLE_MEDIANS * middle_s:
            return 1.0
        was_settling, self._settling = self._settling, False
        self._latencies, self._epoch_began = [], now
        return 1.0 if was_settling else self._judge_epoch(middle_s, busy)

    def _judge_epoch(self, middle_s: float, busy: bool) -> float:
        self.median_s = middle_s
        before, self._before_cut = self._before_cut, None
        if before is not None and middle_s > FOLLOWED * before:
            self.normal_s, self._settling = middle_s, True
            return 1.0 / CUT
        self.normal_s = middle_s if self.normal_s is None else min(self.normal_s * 1.01, middle_s)
        if not busy or middle_s <= TOLERANCE * self.normal_s:
            return 1.0
        self._before_cut, self._settling = middle_s, True
        return CUT
