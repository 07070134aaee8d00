"""A table of text cells, the same for terminal, Markdown and HTML, and how numbers read in it. Prints nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rayjob.labels.agreement_bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text cells; `note` says below it what a reader must know to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def percent(value: float) -> str:
    """A rate in percent with one decimal, of the rate rounded to four (as rates were published before)."""
    return "–" if math.isnan(value) else f"{round(value, 4) * 100:.1f}%"


def number(value: float, digits: int = 3) -> str:
    """A statistic, "–" where it is not defined; never "-0.000"."""
    return "–" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def published_number(value: float) -> str:
    """A statistic with three digits, of the value rounded to four (as `percent`)."""
    return "–" if math.isnan(value) else f"{round(value, 4):.3f}"


def with_interval(found: Interval | None) -> str:
    """A statistic and its interval, "–" where it is not defined."""
    if found is None or math.isnan(found.value):
        return "–"
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"


def percent_of(value: float) -> str:
    """A rate in percent with one decimal, rounded once."""
    return "–" if math.isnan(value) else f"{value * 100:.1f}%"


def some(keys: Sequence[str], show: int = 3) -> str:
    """A count and its first few keys."""
    if not keys:
        return "–"
    return f"{len(keys)}: {', '.join(keys[:show])}{', …' if len(keys) > show else ''}"


def shorten(text: str, limit: int = 280) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
