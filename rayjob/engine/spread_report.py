"""What spreading did, for stats.json and report.html: counts and costs a dimension, the curve, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from rayjob.engine.bought import Bought
from rayjob.engine.spread_map import draw_map
from rayjob.plan.graph import Stage
from rayjob.reports.atlas import Atlas, ClusterRow, Clusters, DimensionRow, draw_atlas
from rayjob.reports.atlas_map import Point, Source
from rayjob.reports.page import Fragment
from rayjob.spec.label import LabelStep
from rayjob.spec.model import JobSpec
from rayjob.steps.propagate import Counts, Spreader, summarise
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.audit import Threshold
from rayjob.vectors.project import sample_rows

if TYPE_CHECKING:
    from rayjob.engine.spreading import Spreading

NAME = "stages/spreading.json"
EMBEDDING = ("calls", "tokens", "cost_usd")
CURVE_ROWS = 5_000


def write_summary(
    spreading: Spreading, stage: Stage, bought: Bought, fitted: Spreader, markers: Sequence[Mapping[str, Any]],
    earlier: Sequence[tuple[int, Spreader]],
) -> None:  # fmt: skip
    """Keep what the report needs beyond the labels themselves."""
    thresholds = {name: asdict(found) for name, found in fitted.thresholds().items()}
    spread = {name: sum(found["accepted"].get(name, 0) for found in markers) for name in thresholds}
    others = sum(found["rows"] for found in markers)
    final = float(np.mean([count / max(1, others) for count in spread.values()]))
    curve = [[count, accepted_share(spreading, bought, earlier_fit)] for count, earlier_fit in earlier]
    spreading.folder.write_json(
        NAME,
        {
            "rows": len(spreading.table), "bought": len(bought.uids), "audit": int(bought.chosen.is_audit.sum()),
            "others": others, "otherwise": spreading.settings("propagate").otherwise, "thresholds": thresholds,
            "labelled": {name: sum(label is not None for label in bought.labels[name]) for name in thresholds},
            "spread": spread, "steps": questions_of(spreading.job),
            "curve": [*curve, [len(bought.uids), round(final, 6)]], "map": draw_map(spreading, bought, fitted),
            "embedding": {name: fact for name, fact in spreading.facts("embed").items() if name in EMBEDDING},
        },
    )  # fmt: skip


def accepted_share(spreading: Spreading, bought: Bought, fitted: Spreader) -> float:
    """The share of the rows without a bought label that this fit would accept, over all dimensions, from a sample."""
    rows = sample_rows(len(spreading.table), bought.chosen.rows, CURVE_ROWS)
    found = fitted(spreading.table.vectors[rows]) if len(rows) else []
    return round(float(np.mean([label.accepted for row in found for label in row.values()])) if found else 0.0, 6)


def questions_of(job: JobSpec) -> dict[str, dict[str, Any]]:
    """The dimensions of each label step, and how many answers it asks for about a row."""
    steps = [(step.name, step.settings) for step in job.steps if isinstance(step.settings, LabelStep)]
    return {
        name: {"dimensions": list(step.dimensions), "questions": step.samples * len(step.models)}
        for name, step in steps
    }


def cost_of(
    steps: Mapping[str, Mapping[str, Any]], rows: int, stats: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """(what was paid, what labels of all rows cost at that price), in USD, by dimension.

    A step's dimensions share its cost evenly, all dimensions that of other calls: arbitration and mapping.
    """
    by_step = stats.get("by_step") or {}
    known = {name: by_step[name] for name in steps if name in by_step}
    other = float(stats.get("total_cost_usd") or 0.0) - sum(sums["cost_usd"] for sums in known.values())
    share = max(0.0, other) / max(1, sum(len(steps[name]["dimensions"]) for name in known))
    costs: dict[str, tuple[float, float]] = {}
    for name, sums in known.items():
        dimensions, paid = steps[name]["dimensions"], sums["calls"] - sums["from_ledger"]
        cost = sums["cost_usd"] / len(dimensions) + share
        costs |= dict.fromkeys(dimensions, (cost, cost * rows * steps[name]["questions"] / max(1, paid)))
    return costs


def read_spreading(folder: RunFolder, stats: Mapping[str, Any]) -> tuple[dict[str, Any], Fragment] | None:
    """(the `spreading` section of stats.json, the page's part); None for a run that spread nothing."""
    kept = folder.read_json(NAME)
    if kept is None:
        return None
    rows = summaries(kept, stats)
    section = {name: kept[name] for name in ("rows", "bought", "audit", "otherwise", "curve")}
    if kept.get("embedding"):  # an API embedded: what it was paid
        section["embedding"] = kept["embedding"]
    section["dimensions"] = {row["dimension"]: row for row in rows}
    return section, Fragment("Spreading", Markup(draw_atlas(atlas_of(kept, rows))))  # noqa: S704 - texts are escaped


def summaries(kept: Mapping[str, Any], stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each dimension's summary; people cost nothing here."""
    costs = cost_of(kept["steps"], kept["rows"], stats)
    found = []
    for name, spread in kept["spread"].items():
        labelled, cost = kept["labelled"][name], costs.get(name, (0.0, 0.0))
        failed = kept["rows"] - kept["bought"] - kept["others"]
        counts = Counts(kept["rows"], labelled, spread, failed, missing=kept["bought"] - labelled)
        found.append(asdict(summarise(name, Threshold(**kept["thresholds"][name]), counts, *cost)))
    return found


def atlas_of(kept: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Atlas:
    """What was kept, as the page's part takes it."""
    shown, drawn = DimensionRow.__dataclass_fields__, kept["map"]
    clusters = drawn["clusters"]
    return Atlas(
        kept["rows"],
        kept["otherwise"],
        {name: tuple(_point(point, name) for point in drawn["points"]) for name in kept["thresholds"]},
        clusters and Clusters(**{**clusters, "rows": tuple(ClusterRow(**row) for row in clusters["rows"])}),
        tuple(DimensionRow(**{name: value for name, value in row.items() if name in shown}) for row in rows),
        tuple((count, share) for count, share in kept["curve"]),
    )


def _point(found: Mapping[str, Any], dimension: str) -> Point:
    told = found["told"][dimension]
    sources = tuple(Source(**source) for source in told["sources"])
    place = {name: found[name] for name in ("uid", "x", "y", "cluster", "text")}
    return Point(**{**place, **told, "sources": sources})
