"""run.json, stats.json, events and a few rows → everything report.html shows, in its order. Pure; page.py draws it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rayjob.reports import charts
from rayjob.reports.problems import ADVICE, RunProblem, find_problems, split_unmapped
from rayjob.reports.progress import Event, Point, view_of
from rayjob.reports.rows import FailedRow, RowView, view_failure, view_row
from rayjob.reports.run_header import Tile, facts, tiles
from rayjob.reports.wording import STATUS_WORDS, by_count

MAX_ROWS = 200
MAX_EXAMPLES = 3
MAX_MAPS = 3
MAX_UNMAPPED = 100

#: Reading order of ordered pools; the taxonomy's own order is passed in where the caller has it.
Order = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a report is made from. `rows` and `failures` are samples of the Parquet rows; a few dozen are enough."""

    run: Mapping[str, Any]
    stats: Mapping[str, Any]
    events: Sequence[Event] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    failures: Sequence[Mapping[str, Any]] = ()
    tag_order: Order | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """Calls, tokens and dollars of one step or model; `share`: its part of the cost (of tokens where all is free)."""

    name: str
    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: float
    share: float


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Failures of one kind with a few examples."""

    kind: str
    count: int
    advice: str
    examples: tuple[FailedRow, ...]


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A tag that is in no pool; `dimension` is empty where it was only suggested."""

    dimension: str
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """The page's content, section by section; empty sections are not shown."""

    title: str
    status: str
    status_words: str
    facts: tuple[tuple[str, str], ...]
    tiles: tuple[Tile, ...]
    problems: tuple[RunProblem, ...]
    samples: int
    distributions: tuple[charts.Bars, ...]
    heat_maps: tuple[charts.HeatMap, ...]
    confidence: charts.Ranges
    lines: tuple[charts.Line, ...]
    active_s: float
    by_step: tuple[Spending, ...]
    by_model: tuple[Spending, ...]
    unmapped: tuple[Unmapped, ...]
    suggested: tuple[Unmapped, ...]
    failures: tuple[FailureKind, ...]
    rows: tuple[RowView, ...]
    spec: str
    plan: str


def build_report(files: RunFiles) -> RunReport:
    """The report of a run, whatever of it is there: a missing key is a missing section."""
    run, stats = files.run, files.stats
    success = int(stats.get("success") or 0)
    points = view_of(files.events).points
    order = files.tag_order or {}
    violations, suggestions = list_unmapped(stats)
    return RunReport(
        title=str(run.get("run") or "run"),
        status=str(run.get("status") or "done"),
        status_words=STATUS_WORDS.get(str(run.get("status")), str(run.get("status") or "done")),
        facts=tuple(facts(run)),
        tiles=tuple(tiles(run, stats)),
        problems=find_problems(stats, run, messages(files.failures)),
        samples=success,
        distributions=distributions(stats, success, order),
        heat_maps=heat_maps(stats, order),
        confidence=confidence(stats, order),
        lines=tuple(time_lines(points)),
        active_s=points[-1].active_s - points[0].active_s if points else 0.0,
        by_step=spending(stats.get("by_step") or {}),
        by_model=spending(stats.get("by_model") or {}),
        unmapped=violations,
        suggested=suggestions,
        failures=failure_kinds(stats.get("failures") or {}, files.failures),
        rows=tuple(view_row(row) for row in files.rows[:MAX_ROWS]),
        spec=json.dumps(run["spec"], indent=2, ensure_ascii=False, default=str) if run.get("spec") else "",
        plan=str(run.get("plan_text") or ""),
    )


def dimensions_in_order(found: Mapping[str, Any], order: Order) -> list[str]:
    """The taxonomy's dimensions in its order, then the others by name."""
    return [name for name in order if name in found] + sorted(name for name in found if name not in order)


def distributions(stats: Mapping[str, Any], samples: int, order: Order) -> tuple[charts.Bars, ...]:
    """One distribution a dimension."""
    found = stats.get("tag_distributions") or {}
    return tuple(charts.bars(name, found[name], samples) for name in dimensions_in_order(found, order))


def heat_maps(stats: Mapping[str, Any], order: Order) -> tuple[charts.HeatMap, ...]:
    """The pairs of single-select dimensions, those that the taxonomy names first at the front."""
    place = {name: index for index, name in enumerate(order)}
    maps = [charts.heat_map(pair, found, order) for pair, found in (stats.get("pair_counts") or {}).items()]
    maps.sort(key=lambda found: (place.get(found.down, 99) + place.get(found.across, 99), found.down, found.across))
    return tuple(maps[:MAX_MAPS])


def confidence(stats: Mapping[str, Any], order: Order) -> charts.Ranges:
    """One confidence range a dimension."""
    found = stats.get("confidence_stats") or {}
    ordered = {name: found[name] for name in dimensions_in_order(found, order)}
    return charts.ranges(ordered, stats.get("confidence_hist") or {})


def time_lines(points: Sequence[Point]) -> Iterator[charts.Line]:
    """Rows, calls a second, rows in flight and dollars over the time at work."""
    if len(points) < 2:
        return
    kept = points[:: max(1, len(points) // 60)]  # over longer intervals than the others: a rate is noise in short ones
    calls = [
        (after.active_s, max(0, after.calls - before.calls) / max(after.active_s - before.active_s, 1e-9))
        for before, after in pairwise(kept)
    ]
    yield charts.line("Rows finished", "", charts.thin([(p.active_s, p.finished) for p in points]))
    yield charts.line("Calls a second", "/s", calls)
    yield charts.line("Calls in flight", "", charts.thin([(p.active_s, p.in_flight) for p in points]))
    if points[-1].cost_usd:
        yield charts.line("Cost", "$", charts.thin([(p.active_s, p.cost_usd) for p in points]))


def spending(found: Mapping[str, Mapping[str, Any]]) -> tuple[Spending, ...]:
    """Calls, tokens and dollars by name, dearest first."""
    weights = {name: float(sums.get("cost_usd") or 0) for name, sums in found.items()}
    if not any(weights.values()):
        weights = {name: float(tokens_of(sums)) for name, sums in found.items()}
    whole = sum(weights.values()) or 1.0
    rows = [
        Spending(
            name,
            int(sums.get("calls") or 0),
            int(sums.get("prompt_tokens") or 0),
            int(sums.get("cached_tokens") or 0),
            int(sums.get("completion_tokens") or 0),
            float(sums.get("cost_usd") or 0),
            100 * weights[name] / whole,
        )
        for name, sums in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.share, row.name)))


def tokens_of(sums: Mapping[str, Any]) -> int:
    """Prompt and completion tokens together."""
    return int(sums.get("prompt_tokens") or 0) + int(sums.get("completion_tokens") or 0)


def list_unmapped(stats: Mapping[str, Any]) -> tuple[tuple[Unmapped, ...], tuple[Unmapped, ...]]:
    """What was used outside its pool, and what was suggested; each most frequent first."""
    outside, offered = (by_count(found)[:MAX_UNMAPPED] for found in split_unmapped(stats))
    parted = [(key.partition(":"), count) for key, count in outside]
    used = tuple(Unmapped(dimension, value, count) for (dimension, _, value), count in parted)
    return used, tuple(Unmapped("", key, count) for key, count in offered)


def messages(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The message of one failed row of each kind."""
    failures = [row.get("failure") or row for row in reversed(rows)]
    return {str(failure.get("kind")): str(failure.get("message") or "") for failure in failures}


def failure_kinds(counts: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> tuple[FailureKind, ...]:
    """Failures by kind with up to MAX_EXAMPLES examples of each."""
    examples: dict[str, list[FailedRow]] = {}
    for row in rows:
        kept = examples.setdefault(str((row.get("failure") or row).get("kind")), [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(view_failure(row))
    return tuple(
        FailureKind(kind, count, ADVICE.get(kind, ""), tuple(examples.get(kind, ())))
        for kind, count in by_count(counts)
    )
