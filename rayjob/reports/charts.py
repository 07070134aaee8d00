"""Counts → the geometry of pictures: bars, heat map, ranges, lines. The templates draw them, and escape all their text.

Lengths are in percent of the picture's width or height, so that a picture fits any column without a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayjob.reports.wording import by_count

HEAT_LEVELS = 8  # more shades than this are not told apart


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its count, its length (percent of the longest), its share of all samples in percent."""

    label: str
    count: float
    length: float
    share: float


@dataclass(frozen=True, slots=True)
class Bars:
    """A distribution: the most frequent, and the rest behind a fold."""

    title: str
    shown: tuple[Bar, ...]
    folded: tuple[Bar, ...] = ()

    @property
    def folded_count(self) -> float:
        """What the folded bars add up to."""
        return sum(bar.count for bar in self.folded)


def bars(title: str, counts: Mapping[str, int], samples: int, top: int = 12) -> Bars:
    """The `top` largest counts as bars, the others folded (never only one of them)."""
    ranked = by_count(counts)
    longest = max((count for _, count in ranked), default=0) or 1
    drawn = tuple(Bar(name, n, 100 * n / longest, 100 * n / samples if samples else 0.0) for name, n in ranked)
    cut = top if len(drawn) > top + 1 else len(drawn)
    return Bars(title, drawn[:cut], drawn[cut:])


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a heat map: its count and its shade, 0 (nothing) to HEAT_LEVELS."""

    count: int
    level: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts of two dimensions against each other, both sorted by their totals unless an order is given."""

    down: str
    across: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...], int], ...]
    totals: tuple[int, ...]


def heat_map(pair: str, counts: Mapping[str, Mapping[str, int]], order: Mapping[str, Sequence[str]]) -> HeatMap:
    """The map of `pair` ("intent×difficulty"), the dimension with more tags downwards.

    `order` gives the tags' order of a dimension, e.g. the taxonomy's; others follow by count.
    """
    down, _, across = pair.partition("×")
    if len({tag for row in counts.values() for tag in row}) > len(counts):
        down, across, counts = across, down, transposed(counts)
    totals: dict[str, int] = {}
    for row in counts.values():
        for tag, count in row.items():
            totals[tag] = totals.get(tag, 0) + count
    columns = ranked(totals, order.get(across, ()))
    names = ranked({name: sum(row.values()) for name, row in counts.items()}, order.get(down, ()))
    most = max((count for row in counts.values() for count in row.values()), default=0) or 1
    rows = []
    for name in names:
        found = [counts[name].get(column, 0) for column in columns]
        rows.append((name, tuple(Cell(n, -(-HEAT_LEVELS * n // most)) for n in found), sum(found)))
    return HeatMap(down, across, columns, tuple(rows), tuple(totals[column] for column in columns))


def transposed(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The same table read the other way."""
    found: dict[str, dict[str, int]] = {}
    for one, row in counts.items():
        for other, count in row.items():
            found.setdefault(other, {})[one] = count
    return found


def ranked(totals: Mapping[str, int], order: Sequence[str]) -> tuple[str, ...]:
    """Names in the given order, those it does not know after them by count."""
    place = {name: index for index, name in enumerate(order)}
    return tuple(name for name, _ in sorted(by_count(totals), key=lambda item: place.get(item[0], len(place))))


@dataclass(frozen=True, slots=True)
class Range:
    """One dimension's confidence: mean, min, max, how many lie below its threshold; the places of all on the axis."""

    label: str
    mean: float
    low: float
    high: float
    below: int
    at: tuple[float, float, float]  # min, mean, max in percent of the axis
    bins: tuple[tuple[float, float, float, int], ...]  # x, width, height in percent, count


@dataclass(frozen=True, slots=True)
class Ranges:
    """Confidence of all dimensions on one axis that ends at 1; `ticks` is (place in percent, value)."""

    rows: tuple[Range, ...]
    ticks: tuple[tuple[float, float], ...]
    has_bins: bool


def ranges(stats: Mapping[str, Mapping[str, float]], histograms: Mapping[str, Sequence[int]]) -> Ranges:
    """One range a dimension, in the order given; a histogram is counts in bins of equal width over 0..1."""
    lowest = min((float(found.get("min") or 0) for found in stats.values()), default=0.0)
    start = min(0.9, int(lowest * 10) / 10)
    rows = []
    for name, found in stats.items():
        low, mean, high = (float(found.get(key) or 0) for key in ("min", "mean", "max"))
        at = (on_axis(low, start), on_axis(mean, start), on_axis(high, start))
        bins = histogram_bins(histograms.get(name, ()), start)
        rows.append(Range(name, mean, low, high, int(found.get("below_threshold") or 0), at, bins))
    ticks = tuple((25.0 * quarter, start + (1 - start) * quarter / 4) for quarter in range(5))
    return Ranges(tuple(rows), ticks, any(row.bins for row in rows))


def on_axis(value: float, start: float) -> float:
    """The place of a confidence on an axis from `start` to 1, in percent."""
    return 100 * max(0.0, value - start) / (1 - start)


def histogram_bins(counts: Sequence[int], start: float) -> tuple[tuple[float, float, float, int], ...]:
    """x, width, height (all percent) and count of each bin that holds anything, on an axis from `start` to 1."""
    tallest, width = max(counts, default=0) or 1, 1 / (len(counts) or 1)
    edges = [(on_axis(i * width, start), on_axis((i + 1) * width, start)) for i in range(len(counts))]
    return tuple((x, end - x, 100 * n / tallest, n) for (x, end), n in zip(edges, counts, strict=True) if n and end > x)


@dataclass(frozen=True, slots=True)
class Line:
    """A quantity over time: SVG path data in a 1000 × 100 box, its largest and last value."""

    title: str
    unit: str
    path: str
    area: str
    top: float
    last: float


def line(title: str, unit: str, points: Sequence[tuple[float, float]]) -> Line:
    """The line through (time, value) points, its box from 0 to the largest value; empty paths under two points."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return Line(title, unit, "", "", 0.0, points[-1][1] if points else 0.0)
    start, span = points[0][0], points[-1][0] - points[0][0]
    top = max(value for _, value in points) or 1.0
    places = [f"{1000 * (t - start) / span:.1f},{100 - 100 * value / top:.1f}" for t, value in points]
    path = "M" + " L".join(places)
    return Line(title, unit, path, f"{path} L1000,100 L0,100 Z", top, points[-1][1])


def thin(points: Sequence[tuple[float, float]], most: int = 240) -> list[tuple[float, float]]:
    """At most `most` points, evenly chosen, the last always among them."""
    step = max(1, -(-len(points) // most))
    return list(points[::-1][::step][::-1])
