"""The top of report.html: facts of the run and its headline numbers, from run.json and stats.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rayjob.reports.recorded import asks_models, steps_of
from rayjob.reports.wording import say_s, short


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number."""

    name: str
    value: float
    kind: str = "count"
    note: str = ""
    tone: str = ""


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
    success = int(stats.get("success") or 0)
    yield Tile("Samples", total, note=duration(run))
    yield Tile("Labelled", success, note=share_of(success, total), tone="good" if total and not failed else "")
    yield Tile("Failed", failed, note=share_of(failed, total), tone="bad" if failed else "")
    if asks_models(run):
        yield from spending(run, stats)
    if steps_of(run, "arbitrate"):
        arbitrated = int(stats.get("arbitrated_count") or 0)
        yield Tile("Arbitrated", arbitrated, note=share_of(arbitrated, success))


def spending(run: Mapping[str, Any], stats: Mapping[str, Any]) -> Iterator[Tile]:
    """Calls, tokens and dollars."""
    total, calls = int(stats.get("total_samples") or 0), int(stats.get("total_llm_calls") or 0)
    hits = int(stats.get("calls_from_ledger") or 0)
    free = f", {hits:,} from the ledger" if hits else ""
    yield Tile("LLM calls", calls, note=f"{stats.get('avg_calls_per_sample') or 0:g} a sample{free}")
    prompt, cached = int(stats.get("total_prompt_tokens") or 0), int(stats.get("total_cached_tokens") or 0)
    split = f"{short(prompt)} in, {short(int(stats.get('total_completion_tokens') or 0))} out"
    cache = f", {100 * cached // prompt} % cached" if cached and prompt else ""
    yield Tile("Tokens", int(stats.get("total_tokens") or 0), note=split + cache)
    cost = float(stats.get("total_cost_usd") or run.get("cost_usd") or 0.0)
    yield Tile("Cost", cost, "usd", note=f"${1000 * cost / total:,.2f} per 1,000 samples" if total and cost else "")


def duration(run: Mapping[str, Any]) -> str:
    """How long the run took from its first start to its end."""
    started, ended = run.get("started"), run.get("ended")
    known = isinstance(started, int | float) and isinstance(ended, int | float)
    return f"in {say_s(ended - started)}" if known and started and ended else ""


def share_of(part: int, whole: int) -> str:
    """`98.9 %`, empty of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""
