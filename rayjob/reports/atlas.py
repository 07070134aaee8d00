"""The map of a spreading run as one HTML fragment: points, clusters, why a row got its label. Fetches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Kind = Literal["bought", "audit", "accepted", "sent_on"]

#: Twelve colours that stay apart on white; label 13 and on are drawn in grey and told by their tooltip.
_COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#bcbd22", "#3b528b",
    "#5ec962", "#b5367a",
)  # fmt: skip
_GREY = "#999999"
_WIDTH, _HEIGHT, _EDGE = 900, 600, 12
_MOST_TEXT = 160


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled row that a label came from, and its distance."""

    uid: str
    label: str
    distance: float


@dataclass(frozen=True, slots=True)
class Point:
    """One row on the map: place in 0..1, its label and how it came by it."""

    uid: str
    x: float
    y: float
    label: str
    kind: Kind
    confidence: float
    cluster: int
    text: str
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One line of the clusters table; cluster -1 are the outliers."""

    cluster: int
    size: int
    medoid_text: str
    words: tuple[str, ...]
    labels: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DimensionRow:
    """What spreading did for one dimension."""

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


@dataclass(frozen=True, slots=True)
class Atlas:
    """All that the fragment shows; `curve` is (labels bought, accepted share) after each round."""

    dimension: str
    points: tuple[Point, ...]
    rows: int
    clusters: tuple[ClusterRow, ...] = ()
    silhouette: float | None = None
    dimensions: tuple[DimensionRow, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    dbcv: float | None = None


def draw_atlas(atlas: Atlas) -> str:
    """A `<section>` with everything inline; every text from data is escaped."""
    parts = [
        '<section class="atlas">',
        "<h2>Spreading</h2>",
        _dimensions(atlas.dimensions),
        _curve(atlas.curve),
        f"<h3>Map of {escape(atlas.dimension)}</h3>",
        _legend(atlas),
        _map(atlas.points),
        _clusters(atlas),
        _why(atlas.points),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _cut(text: str) -> str:
    short = text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
    # Control characters have no place in HTML, lone surrogates none in UTF-8.
    return "".join(letter if letter.isprintable() else " " for letter in short)


def _text(text: str) -> str:
    return escape(_cut(text))


def _palette(points: Iterable[Point]) -> dict[str, str]:
    """Colours by frequency of the label: the commonest are told apart."""
    counts: dict[str, int] = {}
    for point in points:
        counts[point.label] = counts.get(point.label, 0) + 1
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    return {label: _COLOURS[place] if place < len(_COLOURS) else _GREY for place, label in enumerate(ranked)}


def _key(colour: str) -> str:
    """A dot of the colour; drawn, because the page's policy takes no style attributes."""
    return f' <svg width="10" height="10"><rect width="10" height="10" fill="{colour}"/></svg> '


def _legend(atlas: Atlas) -> str:
    colours = _palette(atlas.points)
    keys = [f"{_key(colour)}{_text(label)}" for label, colour in colours.items() if colour != _GREY]
    others = len(colours) - len(keys)
    if others:
        keys.append(f"{_key(_GREY)}{others} other labels")
    shown = f"{len(atlas.points):,} of {atlas.rows:,} rows"
    return (
        f"<p>{shown}. Large ringed dots were labelled (dashed: audit); small ones got their label from them, "
        f"the fainter the less sure; crosses were sent on.</p><p>{''.join(keys)}</p>"
    )


def _map(points: Sequence[Point]) -> str:
    colours = _palette(points)
    # Labelled rows are drawn last, on top of those that got their label from them.
    ordered = sorted(points, key=lambda point: (point.kind in ("bought", "audit"), point.uid))
    marks = "\n".join(_mark(point, colours[point.label]) for point in ordered)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="map of rows">\n{marks}\n</svg>'


def _mark(point: Point, colour: str) -> str:
    x = _EDGE + point.x * (_WIDTH - 2 * _EDGE)
    y = _EDGE + (1 - point.y) * (_HEIGHT - 2 * _EDGE)
    title = f"<title>{_tooltip(point)}</title>"
    if point.kind in ("bought", "audit"):
        dash = ' stroke-dasharray="2 2"' if point.kind == "audit" else ""
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#000"{dash}>{title}</circle>'
    if point.kind == "sent_on":
        path = f"M{x - 2:.1f} {y - 2:.1f}l4 4m0-4l-4 4"
        return f'<path d="{path}" stroke="{colour}" fill="none">{title}</path>'
    opacity = 0.25 + 0.75 * min(max(point.confidence, 0.0), 1.0)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}" fill-opacity="{opacity:.2f}">{title}</circle>'


_HOW = {"bought": "labelled", "audit": "labelled (audit)", "accepted": "spread", "sent_on": "not accepted"}


def _tooltip(point: Point) -> str:
    sure = "" if point.kind in ("bought", "audit") else f", confidence {point.confidence:.2f}"
    lines = [f"{point.uid}: {point.label} ({_HOW[point.kind]}{sure}, cluster {point.cluster})", point.text]
    lines += [f"from {source.uid}: {source.label}, distance {source.distance:.3f}" for source in point.sources]
    return "\n".join(_text(line) for line in lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`heads` and cells are HTML already; a head that starts with `#` is a column of numbers."""
    number = [head.startswith("#") for head in heads]
    top = "".join(f"<th>{head.lstrip('#')}</th>" for head in heads)
    lines = [
        "".join(
            f"<td{' class=number' if is_number else ''}>{cell}</td>"
            for cell, is_number in zip(row, number, strict=True)
        )
        for row in rows
    ]
    return f"<table><tr>{top}</tr>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"


def _dimensions(rows: Sequence[DimensionRow]) -> str:
    if not rows:
        return ""
    heads = ("dimension", "#bought", "#spread", "#sent on", "#threshold", "precision", "#cost", "#cost of all", "note")
    return _table(heads, (_dimension(row) for row in rows))


def _dimension(row: DimensionRow) -> list[str]:
    if row.precision is None:
        precision = "–"
    else:
        precision = f"{row.precision:.1%} ({row.precision_low:.1%}–{row.precision_high:.1%})"
    threshold = "none" if row.threshold is None else f"{row.threshold:.3f}"
    counts = [f"{count:,}" for count in (row.bought, row.spread, row.sent_on)]
    costs = [f"${cost:,.2f}" for cost in (row.cost_usd, row.cost_all_usd)]
    return [_text(row.dimension), *counts, threshold, precision, *costs, escape(row.reason)]


def _clusters(atlas: Atlas) -> str:
    if not atlas.clusters:
        return ""
    outliers = sum(row.size for row in atlas.clusters if row.cluster < 0)
    scores = {"silhouette": atlas.silhouette, "DBCV": atlas.dbcv}
    score = "".join(f", {name} {value:.2f}" for name, value in scores.items() if value is not None)
    head = f"<h3>{sum(row.cluster >= 0 for row in atlas.clusters)} clusters, {outliers:,} outliers{score}</h3>"
    lines = (
        [
            "outliers" if row.cluster < 0 else str(row.cluster),
            f"{row.size:,}",
            _text(row.medoid_text),
            _text(", ".join(row.words)),
            _text(", ".join(f"{label} {count}" for label, count in row.labels)),
        ]
        for row in atlas.clusters
    )
    return head + _table(("cluster", "#rows", "most central row", "words", "labels"), lines)


def _why(points: Sequence[Point], shown: int = 50) -> str:
    """Rows whose label was spread, least sure first: what it came from."""
    spread = sorted((point for point in points if point.sources), key=lambda point: (point.confidence, point.uid))
    if not spread:
        return ""
    lines = (
        [
            _text(point.uid),
            _text(point.text),
            _text(point.label),
            f"{point.confidence:.2f}",
            _HOW[point.kind],
            "<br>".join(_text(f"{source.uid}: {source.label} ({source.distance:.3f})") for source in point.sources),
        ]
        for point in spread[:shown]
    )
    heads = ("row", "text", "label", "#confidence", "how", "nearest labelled rows (distance)")
    return f"<h3>Why: the {min(shown, len(spread))} least sure of the map</h3>" + _table(heads, lines)


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
        '<h3>Accepted share by labels bought</h3><svg viewBox="0 0 500 200" role="img" aria-label="curve" width="500">'
        '<path d="M40 20V170H480" fill="none" stroke="#999"/><text x="4" y="26" font-size="11">100%</text>'
        f'<text x="14" y="174" font-size="11">0%</text><text x="430" y="188" font-size="11">{most:,}</text>'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>{dots}</svg>'
    )
