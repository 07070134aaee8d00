"""Token buckets: how many requests or tokens a minute may start. Pure; the clock is an argument."""

from __future__ import annotations

#: A provider may count in a sliding minute. At 98 % of its limit and bursts of one second no minute holds more than
#: 0.98 * (60 + 1) / 60 = 99.6 % of it.
HEADROOM = 0.98
BURST_S = 1.0


class Bucket:
    """Fills at `per_s` up to a second's worth. May be overdrawn when the real use turns out larger than estimated."""

    def __init__(self, per_s: float, now: float) -> None:
        self.per_s = per_s
        self.level = self.size
        self._filled_at = now

    @property
    def size(self) -> float:
        """The most it holds: a second's worth, and one whole at least."""
        return max(1.0, self.per_s * BURST_S)

    def available(self, now: float) -> float:
        """What may be taken now; negative while overdrawn."""
        self.level = min(self.size, self.level + self.per_s * max(0.0, now - self._filled_at))
        self._filled_at = now
        return self.level

    def starts(self, each: float, now: float) -> int:
        """How many calls of `each` may start now. One larger than the bucket may when it is full, and overdraws it."""
        level = self.available(now)
        if level < min(each, self.size):
            return 0
        return max(1, int(level / each)) if each > 0 else 1_000_000

    def take(self, amount: float) -> None:
        """Takes (or with a negative amount gives back), whether or not it is there."""
        self.level -= amount

    def wait_s(self, amount: float) -> float:
        """Seconds until `amount` is there or the bucket is full, whichever comes first."""
        return max(0.0, (min(amount, self.size) - self.level) / self.per_s)
