"""The circuit breaker: a provider that is broken is left alone and probed, and given up when it stays so. Pure."""

from __future__ import annotations

from collections import deque

WINDOW = 20
#: The storm that issue reports call ordinary has 5 % of failures; four in five is no storm, it is an outage.
BROKEN_SHARE = 0.8
LEAST_FAILURES = 10
FIRST_REST_S = 2.0
LONGEST_REST_S = 60.0


class Breaker:
    """closed (all calls pass) → open (none) → half-open (one probe) → closed again, or open for twice as long."""

    def __init__(self, give_up_s: float) -> None:
        self._give_up_s = give_up_s
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self._rest_s = FIRST_REST_S
        self._open_until: float | None = None
        self._probe_at: float | None = None
        self._broken_since: float | None = None
        self._last_good_start = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are held back (probes aside)."""
        return self._open_until is not None

    def succeed(self, began: float) -> None:
        """An answer came to a call that began then (a refusal is an answer too): the provider works."""
        self._last_good_start = max(self._last_good_start, began)
        self._recent.append(True)
        if self.is_open:
            self._recent.clear()
        self._open_until = self._probe_at = self._broken_since = None
        self._rest_s = FIRST_REST_S

    def fail(self, began: float, now: float) -> None:
        """A call met a broken provider. It says nothing where a later call was answered: a few always hang."""
        if began < self._last_good_start:
            return
        self._recent.append(False)
        self._broken_since = now if self._broken_since is None else self._broken_since
        if self.is_open:
            if self._probe_at is not None:  # the probe failed
                self._rest_s = min(LONGEST_REST_S, self._rest_s * 2)
                self._open_until, self._probe_at = now + self._rest_s, None
            return
        failures = self._recent.count(False)
        if failures >= LEAST_FAILURES and failures >= BROKEN_SHARE * len(self._recent):
            self._open_until = now + self._rest_s

    def allow(self, want: int, now: float) -> tuple[int, float]:
        """How many of `want` calls may start, and how long to wait before asking again."""
        if self._open_until is None:
            return want, 0.0
        if now < self._open_until:
            return 0, self._open_until - now
        if want <= 0:
            return 0, 0.5  # a probe that nobody sends would keep everybody waiting for its answer
        if self._probe_at is not None and now - self._probe_at < LONGEST_REST_S:
            return 0, 0.5  # a probe is out; if it never comes back, another follows
        self._probe_at = now
        return min(1, want), 0.5

    def given_up(self, now: float) -> bool:
        """Whether the provider has answered nothing for `give_up_s`, with the breaker open."""
        return self.is_open and self._broken_since is not None and now - self._broken_since > self._give_up_s
