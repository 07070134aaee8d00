"""One map a dimension, as HTML: rows as points, coloured by label, and why a row got its label. Fetches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

#: `open`: a label that was not accepted; `missing`: asked about, and no answer came.
Kind = Literal["bought", "audit", "missing", "accepted", "open"]
Otherwise = Literal["label", "review", "leave"]

#: What becomes of rows whose label was not accepted.
REST: Mapping[Otherwise, str] = {"label": "sent on", "review": "to review", "leave": "left open"}
_HOW = {
    "bought": "labelled", "audit": "labelled (audit)", "missing": "asked, no answer", "accepted": "spread",
    "open": "not accepted",
}  # fmt: skip
_ASKED = ("bought", "audit", "missing")
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
    """One row on the map: place in 0..1, its label and how it came by it; `cluster` None: nothing was clustered."""

    uid: str
    x: float
    y: float
    label: str
    kind: Kind
    confidence: float
    cluster: int | None
    text: str
    sources: tuple[Source, ...] = ()


def draw_maps(maps: Mapping[str, Sequence[Point]], rows: int, otherwise: Otherwise) -> str:
    """A part of the page for each dimension, of which one at a time is open; to begin with, where most was spread."""
    most = max(maps, key=lambda name: sum(point.kind == "accepted" for point in maps[name]), default="")
    shown = {name: ' open=""' if name == most else "" for name in maps}
    return "\n".join(
        f'<details class="card" name="atlas"{shown[name]}><summary>Map of {safe(name)}</summary>\n'
        f"{_legend(points, rows, otherwise)}\n{_map(points)}\n{_why(points)}</details>"
        for name, points in maps.items()
    )


def safe(text: str) -> str:
    """A text from data as HTML: cut to a line's length, escaped."""
    short = text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"
    # Control characters have no place in HTML, lone surrogates none in UTF-8.
    return escape("".join(letter if letter.isprintable() else " " for letter in short))


def _palette(points: Iterable[Point]) -> dict[str, str]:
    """Colours by frequency of the label: the commonest are told apart."""
    counts = Counter(point.label for point in points)
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    return {label: _COLOURS[place] if place < len(_COLOURS) else _GREY for place, label in enumerate(ranked)}


def _key(colour: str) -> str:
    """A dot of the colour; drawn, because the page's policy takes no style attributes."""
    return f' <svg class="key" width="10" height="10"><rect width="10" height="10" fill="{colour}"/></svg> '


def _legend(points: Sequence[Point], rows: int, otherwise: Otherwise) -> str:
    colours = _palette(points)
    keys = [f"{_key(colour)}{safe(label)}" for label, colour in colours.items() if colour != _GREY]
    others = len(colours) - len(keys)
    if others:
        keys.append(f"{_key(_GREY)}{others} other labels")
    return (
        f"<p>{len(points):,} of {rows:,} rows. Large ringed dots were labelled (dashed: audit); small ones got their "
        f"label from them, the fainter the less sure; crosses were not accepted and are {REST[otherwise]}.</p>"
        f"<p>{''.join(keys)}</p>"
    )


def _map(points: Sequence[Point]) -> str:
    colours = _palette(points)
    # Labelled rows are drawn last, on top of those that got their label from them.
    ordered = sorted(points, key=lambda point: (point.kind in _ASKED, point.uid))
    marks = "\n".join(_mark(point, colours[point.label]) for point in ordered)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="map of rows">\n{marks}\n</svg>'


def _mark(point: Point, colour: str) -> str:
    x = _EDGE + point.x * (_WIDTH - 2 * _EDGE)
    y = _EDGE + (1 - point.y) * (_HEIGHT - 2 * _EDGE)
    title = f"<title>{_tooltip(point)}</title>"
    if point.kind in _ASKED:
        dash = ' stroke-dasharray="2 2"' if point.kind == "audit" else ""
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#000"{dash}>{title}</circle>'
    if point.kind == "open":
        path = f"M{x - 2:.1f} {y - 2:.1f}l4 4m0-4l-4 4"
        return f'<path d="{path}" stroke="{colour}" fill="none">{title}</path>'
    opacity = 0.25 + 0.75 * min(max(point.confidence, 0.0), 1.0)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}" fill-opacity="{opacity:.2f}">{title}</circle>'


def _tooltip(point: Point) -> str:
    sure = "" if point.kind in _ASKED else f", confidence {point.confidence:.2f}"
    where = "" if point.cluster is None else ", outlier" if point.cluster < 0 else f", cluster {point.cluster}"
    lines = [f"{point.uid}: {point.label} ({_HOW[point.kind]}{sure}{where})", point.text]
    lines += [f"from {source.uid}: {source.label}, distance {source.distance:.3f}" for source in point.sources]
    return "\n".join(safe(line) for line in lines)


def _why(points: Sequence[Point], shown: int = 50) -> str:
    """Rows whose label was spread, least sure first: what it came from."""
    spread = sorted((point for point in points if point.sources), key=lambda point: (point.confidence, point.uid))
    if not spread:
        return ""
    lines = (
        [
            safe(point.uid),
            safe(point.text),
            safe(point.label),
            f"{point.confidence:.2f}",
            _HOW[point.kind],
            "<br>".join(safe(f"{source.uid}: {source.label} ({source.distance:.3f})") for source in point.sources),
        ]
        for point in spread[:shown]
    )
    heads = ("row", "text", "label", "#confidence", "how", "nearest labelled rows (distance)")
    title = f"Why: the {min(shown, len(spread))} least sure of the map"
    return f"<details><summary>{title}</summary>{draw_table(heads, lines)}</details>"


def draw_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`heads` and cells are HTML already; a head that starts with `#` is a column of numbers."""
    classes = [' class="num"' if head.startswith("#") else "" for head in heads]

    def line(cells: Sequence[str], tag: str) -> str:
        told = zip(cells, classes, strict=True)
        return f"<tr>{''.join(f'<{tag}{cls}>{cell}</{tag}>' for cell, cls in told)}</tr>"

    lines = [line([head.removeprefix("#") for head in heads], "th"), *(line(row, "td") for row in rows)]
    return "\n".join(['<div class="scroll"><table class="plain">', *lines, "</table></div>"])
