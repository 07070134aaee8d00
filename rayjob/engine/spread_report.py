"""What spreading did, for stats.json and report.html: counts a dimension, the curve of the rounds, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from rayjob.engine.bought import Bought
from rayjob.engine.parts import Part
from rayjob.labels.tags import LabelValue
from rayjob.plan.graph import Stage
from rayjob.reports.atlas import Atlas, ClusterRow, DimensionRow, Point, Source, draw_atlas
from rayjob.reports.page import Fragment
from rayjob.steps.cluster import summarise_clusters
from rayjob.steps.propagate import Propagated, Spreader, summarise
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.project import project, sample_rows

if TYPE_CHECKING:
    from rayjob.engine.spreading import Spreading

NAME = "stages/spreading.json"
POINTS = 800
EMBEDDING = ("calls", "tokens", "cost_usd")
CURVE_ROWS = 5_000
TEXT_CHARS = 400


def write_summary(
    spreading: Spreading, stage: Stage, bought: Bought, fitted: Spreader, markers: Sequence[Mapping[str, Any]],
    earlier: Sequence[tuple[int, Spreader]],
) -> None:  # fmt: skip
    """Keep what the report needs beyond the labels themselves."""
    table = spreading.table
    thresholds = {name: asdict(found) for name, found in fitted.thresholds().items()}
    spread = {name: sum(found["accepted"].get(name, 0) for found in markers) for name in thresholds}
    others = max(1, sum(found["rows"] for found in markers))
    final = float(np.mean([count / others for count in spread.values()]))
    curve = [[count, accepted_share(spreading, bought, earlier_fit)] for count, earlier_fit in earlier]
    spreading.folder.write_json(
        NAME,
        {
            "rows": len(table), "bought": len(bought.uids), "audit": int(bought.chosen.is_audit.sum()),
            "otherwise": spreading.settings("propagate").otherwise, "thresholds": thresholds, "spread": spread,
            "curve": [*curve, [len(bought.uids), round(final, 6)]], "map": draw_map(spreading, bought, fitted),
            "embedding": {name: fact for name, fact in spreading.facts("embed").items() if name in EMBEDDING},
        },
    )  # fmt: skip


def accepted_share(spreading: Spreading, bought: Bought, fitted: Spreader) -> float:
    """The share of the rows without a bought label that this fit would accept, over all dimensions, from a sample."""
    rows = np.setdiff1d(sample_rows(len(spreading.table), bought.chosen.rows[:0], CURVE_ROWS), bought.chosen.rows)
    found = fitted(spreading.table.vectors[rows]) if len(rows) else []
    return round(float(np.mean([label.accepted for row in found for label in row.values()])) if found else 0.0, 6)


def draw_map(spreading: Spreading, bought: Bought, fitted: Spreader) -> dict[str, Any]:
    """Points, clusters and the dimension they are coloured by."""
    table, dimension = spreading.table, next(iter(fitted.fitted))
    rows = sample_rows(len(table), bought.chosen.rows, POINTS)
    vectors = np.asarray(table.vectors[rows], np.float32)
    texts = read_texts(spreading.parts, table.by_part(rows))
    clusters = np.zeros(len(rows), np.int32) if spreading.clusters is None else spreading.clusters[rows]
    own = dict(zip(bought.uids, bought.labels[dimension], strict=True))
    kinds = dict(zip(bought.uids, np.where(bought.chosen.is_audit, "audit", "bought").tolist(), strict=True))
    uids = table.uids.take(pa.array(rows)).to_pylist()
    places = project(vectors).round(4).tolist()
    points = [
        {
            "uid": uid, "x": place[0], "y": place[1], "cluster": int(cluster), "text": text,
            **_told(found[dimension], own, kinds.get(uid, "")),
        }
        for uid, place, cluster, text, found in zip(uids, places, clusters, texts, fitted(vectors), strict=True)
    ]  # fmt: skip
    groups = []
    if spreading.clusters is not None:
        sizes = dict(zip(*(found.tolist() for found in np.unique(spreading.clusters, return_counts=True)), strict=True))
        found = summarise_clusters(clusters, vectors, texts, [point["label"] for point in points])
        groups = [
            {
                "cluster": group.cluster, "size": sizes[group.cluster], "medoid_text": texts[group.medoid],
                "words": group.words, "labels": group.labels,
            }
            for group in found
        ]  # fmt: skip
    known = {name: spreading.facts("cluster").get(name) for name in ("silhouette", "dbcv")}
    return {"dimension": dimension, "points": points, "clusters": groups, **known}


def _told(found: Propagated, own: Mapping[str, LabelValue], kind: str) -> dict[str, Any]:
    """A point's label and how it came by it. `own`: bought labels by uid; `kind`: empty where it was not bought."""
    sources = [
        {"uid": uid, "label": say(own[uid]), "distance": distance}
        for uid, distance in zip(found.sources, found.distances, strict=True)
    ]
    if kind:
        return {"label": sources[0]["label"], "kind": kind, "confidence": 1.0, "sources": []}
    told = "accepted" if found.accepted else "sent_on"
    return {"label": say(found.label), "kind": told, "confidence": round(found.confidence, 4), "sources": sources}


def say(label: LabelValue) -> str:
    """A label as one text."""
    return label if isinstance(label, str) else ", ".join(label) or "none"


def read_texts(parts: Sequence[Part], places: Mapping[int, Any]) -> list[str]:
    """The questions of these rows, in the table's order."""
    found: list[str] = []
    for number, rows in places.items():
        taken = parts[number].read(["query", "transcript"]).take(pa.array(rows))
        pairs = zip(taken["query"].to_pylist(), taken["transcript"].to_pylist(), strict=True)
        found += [(query or transcript or "")[:TEXT_CHARS] for query, transcript in pairs]
    return found


def read_spreading(folder: RunFolder, stats: Mapping[str, Any]) -> tuple[dict[str, Any], Fragment] | None:
    """(the `spreading` section of stats.json, the map for report.html); None for a run that spread nothing."""
    kept = folder.read_json(NAME)
    if kept is None:
        return None
    rows = [_dimension(name, kept, stats) for name in kept["thresholds"]]
    section = {name: kept[name] for name in ("rows", "bought", "audit", "otherwise", "curve")}
    if kept.get("embedding"):  # an API embedded: what it was paid
        section["embedding"] = kept["embedding"]
    section["dimensions"] = {row["dimension"]: row for row in rows}
    shown = DimensionRow.__dataclass_fields__
    drawn = kept["map"]
    atlas = Atlas(
        drawn["dimension"],
        tuple(Point(**{**point, "sources": _sources(point["sources"])}) for point in drawn["points"]),
        kept["rows"],
        tuple(ClusterRow(**{**group, "labels": tuple(map(tuple, group["labels"]))}) for group in drawn["clusters"]),
        drawn["silhouette"],
        tuple(DimensionRow(**{name: value for name, value in row.items() if name in shown}) for row in rows),
        tuple((count, share) for count, share in kept["curve"]),
        drawn.get("dbcv"),
    )
    return section, Fragment("Spreading", Markup(draw_atlas(atlas)))  # noqa: S704 - it escapes every text from data


def _sources(found: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    return tuple(Source(**source) for source in found)


def _dimension(name: str, kept: Mapping[str, Any], stats: Mapping[str, Any]) -> dict[str, Any]:
    """One dimension's summary; its cost is its share of the calls that were made, and people cost nothing here."""
    from rayjob.vectors.audit import Threshold

    spread = kept["spread"][name]
    asked = kept["bought"] + (kept["rows"] - kept["bought"] - spread if kept["otherwise"] == "label" else 0)
    spent = float(((stats.get("by_dimension") or {}).get(name) or {}).get("cost_usd") or 0.0)
    accepted = np.arange(kept["rows"]) < spread
    threshold = Threshold(**kept["thresholds"][name])
    return asdict(summarise(name, threshold, accepted, kept["bought"], spent / max(1, asked), kept["otherwise"]))
