"""How reports say times, counts and trouble, on a terminal and on a page alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]

#: What each status of run.json means to the person who started the run.
STATUS_WORDS = {
    "running": "running",
    "done": "done",
    "failed_rows": "done, some rows failed",
    "stopped": "stopped: all that was answered is committed, the same command goes on",
    "interrupted": "interrupted: its driver is gone; what was finished is committed, the same command goes on",
    "failed": "failed",
}


def where_stuck(event: Event) -> str:
    """Which steps hold rows, how many, and how old the oldest is."""
    at_work: Mapping[str, int] = event.get("step_in_flight") or {}
    flying = sum(at_work.values()) or int(event.get("in_flight") or 0)
    if not flying:
        return f"nothing is in flight (phase: {event.get('phase') or 'unknown'})"
    steps = by_count(at_work or ({event["step"]: flying} if event.get("step") else {}))
    held = "".join(f", {count} in {step}" for step, count in steps)
    waiting = {name: int(limit.get("waiting", 0)) for name, limit in (event.get("limits") or {}).items()}
    queued = "".join(f"; {count} wait for {name}" for name, count in by_count(waiting) if count)
    return f"{flying} rows in flight{held}, the oldest for {say_s(float(event.get('oldest_s') or 0))}{queued}"


def budget_text(event: Event, cost_usd: float = 0.0) -> str:
    """`$310.20 of $500.00, skip_arbitration`; empty without a budget. cost_usd: what was spent by now."""
    if not event.get("limit_usd"):
        return ""
    state = event.get("state") or ""
    spent = f"${max(cost_usd, float(event.get('spent_usd', 0))):,.2f} of ${float(event['limit_usd']):,.2f}"
    return f"{spent}, {state}" if state not in ("", "ok") else spent


def by_count(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Names with their counts, largest first."""
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def say_s(seconds: float) -> str:
    """A length of time in two units at most: 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    whole = round(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def short(number: float) -> str:
    """1,234 as it is, then 12.3k, 4.56M, 7.89B: three digits say enough at a glance."""
    for least, size, unit in ((0.9995e9, 1e9, "B"), (0.9995e6, 1e6, "M"), (1e4, 1e3, "k")):
        if number >= least:
            return f"{number / size:.3g}{unit}"
    return f"{number:,.0f}"
