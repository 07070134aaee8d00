"""Ends a session: counts what stands in the folder, writes stats.json, report.html and the last word of run.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rayjob.engine.events import EventLog
from rayjob.engine.manifest import Manifest
from rayjob.engine.spread_report import read_spreading
from rayjob.labels.stats import RunStats
from rayjob.plan.resolve import Resolved
from rayjob.reports.page import render
from rayjob.reports.run_report import RunFiles, build_report
from rayjob.spec.choice import ChooseStep
from rayjob.spec.label import ArbitrateStep, LabelStep
from rayjob.steps.build import with_thresholds
from rayjob.store.atomic import write_atomic
from rayjob.store.parquetread import read_batches
from rayjob.store.runfolder import RunFolder

STATS_COLUMNS = (
    "labels", "confidence", "unmapped", "issues", "warnings", "arbitrated", "calls",
)  # fmt: skip
#: Up to here, about a second's work, the driver counts while Ray ends; beyond, the counting is spread over the cluster.
ROWS_HERE = 10_000
FILES_HERE = 64
FILES_A_TASK = 32
#: Steps that end in labels/; a run without any, such as a training, leaves no row behind.
LABELLERS = frozenset({"label", "ask", "choose"})
ROWS_IN_REPORT = 200
FAILURES_IN_REPORT = 50
ROWS_SUMMED_IN_ORDER = 5_000


def finish_run(
    stats: RunStats, folder: RunFolder, resolved: Resolved, manifest: Manifest, log: EventLog, why: str
) -> dict[str, int]:
    """Write stats, report and run.json; returns the counts {total, done, failed}."""
    found = stats.to_dict(dimensions_of(resolved))
    if found["success"] <= ROWS_SUMMED_IN_ORDER:
        round_in_order(folder, found["confidence_stats"])
    done, failed = found["success"], found["failed"]
    total = manifest.total if manifest.total is not None else done + failed
    manifest.status = status_of(why, failed)
    left = max(0, total - done - failed) if any(step.kind in LABELLERS for step in manifest.plan.steps()) else 0
    counts = {"total": total, "done": done, "failed": failed, "left": left}
    spread = read_spreading(folder, found)
    if spread:
        found["spreading"] = spread[0]
    folder.write_json("stats.json", found)
    log.write("run_done", status=manifest.status, counts=counts)
    manifest.write(counts)
    content = RunFiles(
        run=folder.read_json("run.json") or {},
        stats=found,
        events=log.events(),
        rows=list(first_rows(folder, "labels", ROWS_IN_REPORT)),
        failures=list(first_rows(folder, "failures", FAILURES_IN_REPORT)),
        tag_order={name: [tag.id for tag in dim.tags] for name, dim in resolved.taxonomy.dimensions.items()},
    )
    write_atomic(folder.at("report.html"), render(build_report(content), spread[1:] if spread else ()))
    return counts


def round_in_order(folder: RunFolder, stats: dict[str, dict[str, float]]) -> None:
    """Means of a small run from sums in the order of its input: what a program that reads the rows one by one reports.

    Sums that are exact and sums of floats in order differ in the sixteenth digit, and so may a mean that lies half-way
    between two third decimals.
    """
    columns = ("source", "row", "turn", "confidence")
    rows = [row for uri in folder.parquet("labels") for row in read_rows(uri, columns)]
    rows.sort(key=lambda row: (row["source"], row["row"], row["turn"]))
    for dimension, found in stats.items():
        scores = [row["confidence"][dimension] for row in rows if row["confidence"][dimension] is not None]
        found["mean"] = round(sum(scores) / len(scores), 3)


def status_of(why: str, failed: int) -> str:
    """done, failed_rows, or stopped (which can go on)."""
    if why.startswith("max_failed"):
        return "failed_rows"
    if why:
        return "stopped"
    return "failed_rows" if failed else "done"


def threshold_of(resolved: Resolved) -> float | Mapping[str, float]:
    """What counts as low confidence: what arbitration asks for, below which a choice abstains, else 0.65."""
    for step in resolved.job.steps_of("arbitrate"):
        assert isinstance(step.settings, ArbitrateStep)
        below = with_thresholds(step.settings, resolved).when.confidence_below
        return 0.65 if below == "calibrated" else below
    for step in resolved.job.steps_of("choose"):
        assert isinstance(step.settings, ChooseStep)
        if step.settings.confidence is not None:
            return step.settings.confidence
    return 0.65


def dimensions_of(resolved: Resolved) -> dict[str, Sequence[str]]:
    """Dimensions by label step."""
    steps = resolved.job.steps_of("label")
    return {step.name: step.settings.dimensions for step in steps if isinstance(step.settings, LabelStep)}


def list_counted(folder: RunFolder) -> list[tuple[str, str]]:
    """Every file that counts, with the folder it stands in."""
    return [(uri, name) for name in ("labels", "failures") for uri in folder.parquet(name)]


def is_counted_here(work: Sequence[tuple[str, str]], rows: int) -> bool:
    """Whether these files, of so many rows, are few enough for the driver."""
    return rows <= ROWS_HERE and len(work) <= FILES_HERE


def count_on(ray: Any, work: Sequence[tuple[str, str]], threshold: float | Mapping[str, float]) -> RunStats:
    """The stats of many files. Each is counted where it is read; only sums come together here."""
    groups = [work[start : start + FILES_A_TASK] for start in range(0, len(work), FILES_A_TASK)]
    count = ray.remote(count_files)
    total = RunStats(threshold)
    for part in [count.remote(group, threshold) for group in groups]:
        total.merge(ray.get(part))
    return total


def count_files(work: Sequence[tuple[str, str]], threshold: float | Mapping[str, float]) -> RunStats:
    """The stats of some files."""
    stats = RunStats(threshold)
    for uri, folder in work:
        for row in read_rows(uri, STATS_COLUMNS if folder == "labels" else ("kind", "calls")):
            stats.add(row if folder == "labels" else {"failure": {"kind": row["kind"]}, "calls": row["calls"]})
    return stats


def read_rows(uri: str, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of one Parquet file."""
    for batch in read_batches(uri, columns):
        yield from batch.to_pylist()


def first_rows(folder: RunFolder, name: str, most: int) -> Iterator[dict[str, Any]]:
    """The first rows of labels/ or failures/, in the order of the files."""
    left = most
    for uri in folder.parquet(name):
        for row in read_rows(uri):
            if left == 0:
                return
            left -= 1
            yield row
