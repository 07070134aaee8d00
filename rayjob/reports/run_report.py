"""run.json, stats.json, events and a few rows → everything report.html shows, in its order. Pure; page.py draws it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rayjob.reports import charts
from rayjob.reports.problems import ADVICE, RunProblem, find_problems
from rayjob.reports.progress import Event, Point, view_of
from rayjob.reports.rows import FailedRow, RowView, view_failure, view_row
from rayjob.reports.wording import STATUS_WORDS, by_count, say_s, short

MAX_ROWS = 200
MAX_EXAMPLES = 3
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
class Tile:
    """One headline number."""

    name: str
    value: float
    kind: str = "count"
    note: str = ""
    tone: str = ""


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
    violations, suggestions = split_unmapped(stats)
    return RunReport(
        title=str(run.get("run") or "run"),
        status=str(run.get("status") or "done"),
        status_words=STATUS_WORDS.get(str(run.get("status")), str(run.get("status") or "done")),
        facts=tuple(facts(run)),
        tiles=tuple(tiles(run, stats)),
        problems=find_problems(stats),
        samples=success,
        distributions=distributions(stats, success, order),
        heat_maps=tuple(
            charts.heat_map(pair, found, order) for pair, found in (stats.get("pair_counts") or {}).items()
        ),
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


def facts(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and value of what the header says; what is not known is left out."""
    spec = run.get("spec") or {}
    models = spec.get("models") or {}
    versions = run.get("versions") or {}
    resumes = len(run.get("resumes") or ())
    found = (
        ("Input", as_path(spec.get("input"))),
        ("Output", as_path(spec.get("output"))),
        ("Taxonomy", str(spec.get("taxonomy") or "")),
        ("Models", ", ".join(f"{name}: {model.get('model')}" for name, model in models.items())),
        ("Started", say_time(run.get("started"))),
        ("Ended", say_time(run.get("ended"))),
        ("Resumed", f"{resumes} times" if resumes > 1 else "once" if resumes else ""),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("Spec hash", str(run.get("spec_hash") or "")[:16]),
    )
    return ((name, value) for name, value in found if value)


def as_path(part: Any) -> str:
    """The `path` of a part of the spec."""
    return str(part.get("path") or "") if isinstance(part, Mapping) else str(part or "")


def say_time(value: object) -> str:
    """A unix time as UTC to the second; text stays as it is."""
    if isinstance(value, int | float) and value:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(value or "")


def tiles(run: Mapping[str, Any], stats: Mapping[str, Any]) -> Iterator[Tile]:
    """The headline numbers."""
    total, failed = int(stats.get("total_samples") or 0), int(stats.get("failed") or 0)
    success, calls = int(stats.get("success") or 0), int(stats.get("total_llm_calls") or 0)
    yield Tile("Samples", total, note=duration(run))
    yield Tile("Labelled", success, note=share_of(success, total), tone="good" if total and not failed else "")
    yield Tile("Failed", failed, note=share_of(failed, total), tone="bad" if failed else "")
    hits = int(stats.get("calls_from_ledger") or 0)
    free = f", {hits:,} from the ledger" if hits else ""
    yield Tile("LLM calls", calls, note=f"{stats.get('avg_calls_per_sample') or 0:g} a sample{free}")
    prompt, cached = int(stats.get("total_prompt_tokens") or 0), int(stats.get("total_cached_tokens") or 0)
    split = f"{short(prompt)} in, {short(int(stats.get('total_completion_tokens') or 0))} out"
    cache = f", {100 * cached // prompt} % cached" if cached and prompt else ""
    yield Tile("Tokens", int(stats.get("total_tokens") or 0), note=split + cache)
    cost = float(stats.get("total_cost_usd") or run.get("cost_usd") or 0.0)
    yield Tile("Cost", cost, "usd", note=f"${1000 * cost / total:,.2f} per 1,000 samples" if total and cost else "")
    arbitrated = int(stats.get("arbitrated_count") or 0)
    yield Tile("Arbitrated", arbitrated, note=share_of(arbitrated, success))


def duration(run: Mapping[str, Any]) -> str:
    """How long the run took from its first start to its end."""
    started, ended = run.get("started"), run.get("ended")
    known = isinstance(started, int | float) and isinstance(ended, int | float)
    return f"in {say_s(ended - started)}" if known and started and ended else ""


def share_of(part: int, whole: int) -> str:
    """`98.9 %`, empty of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def dimensions_in_order(found: Mapping[str, Any], order: Order) -> list[str]:
    """The taxonomy's dimensions in its order, then the others by name."""
    return [name for name in order if name in found] + sorted(name for name in found if name not in order)


def distributions(stats: Mapping[str, Any], samples: int, order: Order) -> tuple[charts.Bars, ...]:
    """One distribution a dimension."""
    found = stats.get("tag_distributions") or {}
    return tuple(charts.bars(name, found[name], samples) for name in dimensions_in_order(found, order))


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
    yield charts.line("Rows in flight", "", charts.thin([(p.active_s, p.in_flight) for p in points]))
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


def split_unmapped(stats: Mapping[str, Any]) -> tuple[tuple[Unmapped, ...], tuple[Unmapped, ...]]:
    """`dimension:value` was used outside that pool, a bare value was suggested; each most frequent first."""
    dimensions = stats.get("tag_distributions") or {}
    used: list[Unmapped] = []
    suggested: list[Unmapped] = []
    for key, count in by_count(stats.get("unmapped_tags") or {}):
        dimension, _, value = key.partition(":")
        if dimension in dimensions:  # a suggestion may have a colon of its own
            used.append(Unmapped(dimension, value, count))
        else:
            suggested.append(Unmapped("", key, count))
    return tuple(used[:MAX_UNMAPPED]), tuple(suggested[:MAX_UNMAPPED])


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
