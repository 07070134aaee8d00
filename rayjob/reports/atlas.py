"""What spreading did, as one HTML fragment: a table of the dimensions, the curve, maps, clusters. Fetches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from rayjob.reports.atlas_map import REST, Otherwise, Point, draw_maps, draw_table, safe
from rayjob.reports.page import say_usd

#: The fewest per cent worth a word in a cluster's mix.
_LEAST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One line of the clusters table, cluster -1 the outliers; `labels`: shares of the labels by dimension."""

    cluster: int
    size: int
    medoid_text: str
    words: tuple[str, ...]
    labels: Mapping[str, Sequence[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Clusters:
    """How many there are in the whole table, and lines for the largest, from up to `sampled` rows of each."""

    found: int
    outliers: int
    sampled: int
    silhouette: float | None = None
    dbcv: float | None = None
    rows: tuple[ClusterRow, ...] = ()


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """What spreading did for one dimension. `missing`: rows that were asked about and got no label of it."""

    dimension: str
    bought: int
    spread: int
    sent_on: int
    threshold: float | None
    precision: float | None
    precision_low: float
    precision_high: float
    cost_usd: float
    cost_all_usd: float
    reason: str = ""
    failed: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Atlas:
    """All that the fragment shows: `maps` by dimension; `curve` is (labels bought, accepted share) after each round."""

    rows: int
    otherwise: Otherwise
    maps: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    clusters: Clusters | None = None
    dimensions: tuple[DimensionRow, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()


def draw_atlas(atlas: Atlas) -> str:
    """A `<div>` with everything inline; every text from data is escaped."""
    parts = [
        '<div class="atlas">',
        _dimensions(atlas.dimensions, atlas.otherwise),
        _curve(atlas.curve),
        draw_maps(atlas.maps, atlas.rows, atlas.otherwise),
        _clusters(atlas.clusters) if atlas.clusters else "",
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def _dimensions(rows: Sequence[DimensionRow], otherwise: Otherwise) -> str:
    if not rows:
        return ""
    cells: dict[str, Callable[[DimensionRow], str]] = {
        "dimension": lambda row: safe(row.dimension),
        "#bought": lambda row: f"{row.bought:,}",
        "#spread": lambda row: f"{row.spread:,}",
        f"#{REST[otherwise]}": lambda row: f"{row.sent_on:,}",
        "#no answer": lambda row: f"{row.missing:,}",
        "#failed": lambda row: f"{row.failed:,}",
        "#threshold": lambda row: "none" if row.threshold is None else f"{row.threshold:.3f}",
        "precision": _precision,
        "#cost": lambda row: say_usd(row.cost_usd),
        "#cost of all": lambda row: say_usd(row.cost_all_usd),
        "note": lambda row: escape(row.reason),
    }
    # Columns that would hold nothing: no question failed, nobody is paid.
    empty = {
        "#no answer": not any(row.missing for row in rows),
        "#failed": not any(row.failed for row in rows),
        "#cost": not any(row.cost_usd for row in rows),
        "#cost of all": not any(row.cost_all_usd for row in rows),
        "note": not any(row.reason for row in rows),
    }
    shown = {head: cell for head, cell in cells.items() if not empty.get(head)}
    table = draw_table(list(shown), ([cell(row) for cell in shown.values()] for row in rows))
    return f'<div class="card">{table}</div>'


def _precision(row: DimensionRow) -> str:
    if row.precision is None:
        return "–"
    return f"{row.precision:.1%} ({row.precision_low:.1%}–{row.precision_high:.1%})"


def _clusters(clusters: Clusters) -> str:
    scores = {"silhouette": clusters.silhouette, "DBCV": clusters.dbcv}
    score = "".join(f", {name} {value:.2f}" for name, value in scores.items() if value is not None)
    listed = sum(row.cluster >= 0 for row in clusters.rows)
    which = f"The {listed:,} largest. " if listed < clusters.found else ""
    head = (
        f"<h3>{clusters.found:,} clusters, {clusters.outliers:,} outliers{score}</h3>"
        f"<p>{which}Most central row, words and labels are of up to {clusters.sampled:,} random rows of each.</p>"
    )
    lines = (
        [
            "outliers" if row.cluster < 0 else str(row.cluster),
            f"{row.size:,}",
            safe(row.medoid_text),
            safe(", ".join(row.words)),
            "<br>".join(_mix(name, shares) for name, shares in row.labels.items()),
        ]
        for row in clusters.rows
    )
    table = draw_table(("cluster", "#rows", "most central row", "words", "labels"), lines)
    return f'<div class="card">{head}{table}</div>'


def _mix(dimension: str, shares: Iterable[tuple[str, float]]) -> str:
    told = "; ".join(f"{label} {share:.0%}" for label, share in shares if share >= _LEAST_SHARE)
    return safe(f"{dimension}: {told}")


def _curve(curve: Sequence[tuple[int, float]]) -> str:
    """Labels bought against accepted share, one dot a round."""
    if len(curve) < 2:
        return ""
    most = max(bought for bought, _ in curve)
    places = [(40 + 440 * bought / most, 170 - 150 * share) for bought, share in curve]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{bought:,} labels: {share:.1%} accepted</title></circle>'
        for (x, y), (bought, share) in zip(places, curve, strict=True)
    )
    return (
        '<div class="card"><h3>Accepted share by labels bought</h3>'
        '<svg viewBox="0 0 500 200" role="img" aria-label="curve" width="500">'
        '<path d="M40 20V170H480" fill="none" stroke="#999"/><text x="4" y="26" font-size="11">100%</text>'
        f'<text x="14" y="174" font-size="11">0%</text><text x="430" y="188" font-size="11">{most:,}</text>'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>{dots}</svg></div>'
    )
