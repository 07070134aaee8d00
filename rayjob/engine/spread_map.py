"""The map of a spreading run and its clusters, from samples of the rows. Labels nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rayjob.engine.bought import Bought
from rayjob.engine.parts import Part
from rayjob.engine.spread_table import Ints, SpreadTable
from rayjob.labels.tags import LabelValue
from rayjob.reports.atlas_map import REST
from rayjob.steps.cluster import summarise_clusters
from rayjob.steps.propagate import Propagated, Spreader
from rayjob.vectors.project import project, sample_groups, sample_rows
from rayjob.vectors.represent import Chosen, join_chosen

if TYPE_CHECKING:
    from rayjob.engine.spreading import Spreading

#: Rows on a map, and marks on all maps of a page: with nine dimensions 444 rows each, some two megabytes.
POINTS, MARKS = 800, 4_000
#: The largest clusters are listed; words and labels come from so many rows of each.
LISTED, ROWS_A_CLUSTER = 50, 100
TEXT_CHARS, WORD_CHARS = 400, 2_000


def draw_map(spreading: Spreading, bought: Bought, fitted: Spreader) -> dict[str, Any]:
    """Points with each dimension's label, and the largest clusters (None where nothing was clustered)."""
    table, clusters = spreading.table, spreading.clusters
    failed = failed_rows(spreading, bought)
    shown = pick_rows(table, bought, failed, fitted)
    listed = np.arange(-1, LISTED)
    sampled = shown[:0] if clusters is None else sample_groups(clusters, listed, ROWS_A_CLUSTER)
    sampled = np.setdiff1d(sampled, failed)
    rows = np.union1d(shown, sampled)
    texts = read_texts(spreading.parts, table.by_part(rows), spreading.settings("embed").reads)
    told = tell(table, rows, bought, fitted)
    uids = table.uids.take(pa.array(shown)).to_pylist()
    places = project(np.asarray(table.vectors[shown], np.float32)).round(4).tolist()
    points = [
        {
            "uid": uid, "x": x, "y": y, "cluster": None if clusters is None else int(clusters[row]),
            "text": texts[place][:TEXT_CHARS], "told": told[place],
        }
        for uid, (x, y), row, place in zip(uids, places, shown, np.searchsorted(rows, shown), strict=True)
    ]  # fmt: skip
    if clusters is None:
        return {"points": points, "clusters": None}
    otherwise = spreading.settings("propagate").otherwise
    found = np.searchsorted(rows, sampled)
    labels = {name: [mixed(told[place][name], REST[otherwise]) for place in found] for name in fitted.fitted}
    groups = list_clusters(table, clusters, sampled, [texts[place] for place in found], labels)
    facts = spreading.facts("cluster")
    known = {"found": facts["clusters"], **{name: facts[name] for name in ("outliers", "silhouette", "dbcv")}}
    return {"points": points, "clusters": {**known, "sampled": ROWS_A_CLUSTER, "rows": groups}}


def failed_rows(spreading: Spreading, bought: Bought) -> Ints:
    """Chosen rows whose question failed: they have no label, and get none from others."""
    if spreading.settings("ask").source != "label":
        return bought.chosen.rows[:0]
    rounds: list[Chosen] = list(takewhile(lambda found: found is not None, map(spreading.chosen, count())))  # type: ignore[arg-type]
    return np.setdiff1d(join_chosen(rounds).rows, bought.chosen.rows)


def pick_rows(table: SpreadTable, bought: Bought, failed: Ints, fitted: Spreader) -> Ints:
    """Rows of the map, ascending: bought ones and, as at least half of it, others.

    Where not all bought rows have room, those stay that the others have most of their labels from.
    """
    own, limit = bought.chosen.rows, min(POINTS, MARKS // len(fitted.fitted))
    others = sample_rows(len(table), np.concatenate([own, failed]), max(limit - len(own), limit // 2))
    found = fitted(np.asarray(table.vectors[others], np.float32)) if len(others) else []
    named = Counter(uid for row in found for label in row.values() for uid in label.sources)
    ranked = sorted(range(len(own)), key=lambda place: (-named[bought.uids[place]], place))
    return np.sort(np.concatenate([own[ranked[: limit - len(others)]], others]))


def tell(table: SpreadTable, rows: Ints, bought: Bought, fitted: Spreader) -> list[dict[str, dict[str, Any]]]:
    """Each row's label by dimension, and how it came by it."""
    own = {name: dict(zip(bought.uids, labels, strict=True)) for name, labels in bought.labels.items()}
    audit = {uid for uid, is_audit in zip(bought.uids, bought.chosen.is_audit, strict=True) if is_audit}
    uids = table.uids.take(pa.array(rows)).to_pylist()
    found = fitted(np.asarray(table.vectors[rows], np.float32))
    return [
        {name: _told(uid, label, own[name], uid in audit) for name, label in labels.items()}
        for uid, labels in zip(uids, found, strict=True)
    ]


def _told(uid: str, found: Propagated, own: Mapping[str, LabelValue | None], is_audit: bool) -> dict[str, Any]:
    if uid in own:
        kind = "missing" if own[uid] is None else "audit" if is_audit else "bought"
        return {"label": say(own[uid]), "kind": kind, "confidence": 1.0, "sources": []}
    sources = [
        {"uid": source, "label": say(own[source]), "distance": distance}
        for source, distance in zip(found.sources, found.distances, strict=True)
    ]
    kind = "accepted" if found.accepted else "open"
    return {"label": say(found.label), "kind": kind, "confidence": round(found.confidence, 4), "sources": sources}


def say(label: LabelValue | None) -> str:
    """A label as one text."""
    if label is None:
        return "no answer"
    return label if isinstance(label, str) else ", ".join(label) or "none"


def mixed(told: Mapping[str, Any], rest: str) -> str:
    """What a row adds to its cluster's mix: its label, or what becomes of it without one."""
    return rest if told["kind"] == "open" else str(told["label"])


def read_texts(parts: Sequence[Part], places: Mapping[int, Ints], reads: Sequence[str]) -> list[str]:
    """What was embedded of these rows (what was masked, unmasked), else the transcript; in the table's order."""
    found: list[str] = []
    for number, rows in places.items():
        taken = parts[number].read(list(dict.fromkeys([*reads, "transcript"]))).take(pa.array(rows))
        for row in taken.to_pylist():
            text = "\n".join(filter(None, (row[name] for name in reads))) or row["transcript"] or ""
            found.append(text[:WORD_CHARS])
    return found


def list_clusters(
    table: SpreadTable, clusters: np.ndarray[Any, np.dtype[np.int32]], rows: Ints, texts: Sequence[str],
    labels: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:  # fmt: skip
    """A line for each cluster that has one of `rows`; `texts` and `labels[dimension]` follow them."""
    names, sizes = np.unique(clusters, return_counts=True)
    size = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    vectors = np.asarray(table.vectors[rows], np.float32)
    return [
        {
            "cluster": found.cluster, "size": size[found.cluster], "medoid_text": texts[found.medoid][:TEXT_CHARS],
            "words": found.words,
            "labels": {
                name: [(label, round(share, 4)) for label, share in mix] for name, mix in found.labels.items()
            },
        }
        for found in summarise_clusters(clusters[rows], vectors, texts, labels)
    ]  # fmt: skip
