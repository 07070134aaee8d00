"""Tables as Markdown and as one HTML page with SVG heat maps: all text is escaped, nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from rayjob.labels.agreement_bootstrap import Interval
from rayjob.reports.compare import OVERALL, Comparison
from rayjob.reports.compare_details import Details, Grid
from rayjob.reports.table import Table, number, percent, shorten

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;margin:.4rem 0 .2rem;font-size:13.5px}
td,th{padding:.2rem .6rem;border-bottom:1px solid #dde3ea;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}h2{margin-top:2rem;font-size:1.1rem}
p.note{color:#5b6675;font-size:13px;margin:.2rem 0}div.wide{overflow-x:auto}svg text{font:12px system-ui,sans-serif}
"""
_CELL, _LEFT, _TOP, _CHAR = 74, 130, 26, 7
_LONGEST = 24  # characters of a column's name in a heat map
#: Only these are shares of rows; agreement beyond chance is 0 by chance and can be negative.
_RATES = ("exact", "exact_said")


def to_markdown(title: str, tables: Sequence[Table]) -> str:
    """The tables as GitHub Markdown."""
    parts = [f"# {_plain(title)}"]
    for table in tables:
        head = "| " + " | ".join(map(_plain, table.columns)) + " |"
        rule = "|" + "|".join(" ---: " if right else " --- " for right in numeric_columns(table)) + "|"
        rows = ["| " + " | ".join(map(_plain, row)) + " |" for row in table.rows]
        note = [f"\n{_plain(table.note)}"] if table.note else []
        parts.append("\n".join([f"## {_plain(table.title)}\n", head, rule, *rows, *note]))
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Text that cannot leave its cell nor become markup."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def numeric_columns(table: Table) -> list[bool]:
    """Which columns hold mostly numbers and are set flush right."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return [_mostly_numbers(column) for column in columns]


def _mostly_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell not in ("", "–")]
    return bool(filled) and all(cell.lstrip("+-")[:1].isdigit() and ":" not in cell for cell in filled)


def to_html(title: str, tables: Sequence[Table], pictures: Sequence[str] = ()) -> str:
    """One page: the pictures (SVG of ours) first, then the tables."""
    body = "".join([*pictures, *map(_html_table, tables)])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _html_table(table: Table) -> str:
    classes = ["n" if right else "" for right in numeric_columns(table)]
    head = "".join(f'<th class="{c}">{escape(cell)}</th>' for c, cell in zip(classes, table.columns, strict=True))
    rows = "".join(
        "<tr>"
        + "".join(f'<td class="{c}" dir="auto">{escape(x)}</td>' for c, x in zip(classes, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return f'<h2>{escape(table.title)}</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>{note}'


def compare_pictures(found: Comparison, details: Details) -> list[str]:
    """Heat maps: metrics per dimension of the focus pair, every pair where there are more, and the grid."""
    focus = next(pair for pair in found.pairs if (pair.a, pair.b) == found.focus)
    metrics = ("exact", "exact_said", "jaccard", "kappa", "alpha")
    names = sorted(focus.metrics, key=lambda name: name == OVERALL)
    values = [[_value(focus.metrics[name].get(metric)) for metric in metrics] for name in names]
    how = [percent if metric in _RATES else number for metric in metrics]
    pictures = [heat_map("Agreement per dimension", names, metrics, values, how)]
    if len(found.sides) > 2:
        pictures.append(_pairs_map(found))
    if details.grid:
        pictures.append(_grid_map(details.grid))
    return pictures


def _value(found: Interval | None) -> float:
    return float("nan") if found is None else found.value


def _pairs_map(found: Comparison) -> str:
    names = [side.name for side in found.sides]
    values = [[1.0 if a == b else float("nan") for b in range(len(names))] for a in range(len(names))]
    for pair in found.pairs:
        value = _value(pair.metrics.get(OVERALL, {}).get("exact"))
        values[pair.a][pair.b] = values[pair.b][pair.a] = value
    return heat_map("Exact agreement of every pair", names, names, values)


def _grid_map(grid: Grid) -> str:
    title = f"{grid.row} × {grid.column}: mean exact agreement"
    return heat_map(title, grid.row_tags, grid.column_tags, grid.agreement.tolist())


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    how: Sequence[Callable[[float], str]] = (),
) -> str:
    """An inline SVG of values in 0..1, dark where high; a cell without a value stays white. `how` writes each column's
    values, as rates unless said."""
    wide = max([_CELL, *(_CHAR * min(len(name), _LONGEST) + 12 for name in columns)])
    left = max([_LEFT, *(_CHAR * min(len(name), _LONGEST) + 16 for name in rows)])
    width, height = left + wide * len(columns), _TOP + 26 * len(rows)
    parts = [f'<svg role="img" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">']
    for j, name in enumerate(columns):
        x = left + wide * j + wide / 2
        parts.append(f'<text x="{x}" y="18" text-anchor="middle">{escape(shorten(name, _LONGEST))}</text>')
    for i, name in enumerate(rows):
        y = _TOP + 26 * i
        parts.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{escape(shorten(name, _LONGEST))}</text>')
        for j, value in enumerate(values[i]):
            parts.append(_heat_cell((left + wide * j, y, wide), value, how[j] if how else percent))
    return f'<h2>{escape(title)}</h2><div class="wide">{"".join(parts)}</svg></div>'


def _heat_cell(place: tuple[int, int, int], value: float, how: Callable[[float], str]) -> str:
    x, y, wide = place
    if math.isnan(value):
        return f'<rect x="{x}" y="{y}" width="{wide - 2}" height="24" fill="#fff" stroke="#e3e8ee"/>'
    share = min(max(value, 0.0), 1.0)
    red, green, blue = (round(light + (dark - light) * share) for light, dark in ((252, 22), (244, 86), (222, 110)))
    ink = "#fff" if share > 0.55 else "#1c2430"
    return (
        f'<rect x="{x}" y="{y}" width="{wide - 2}" height="24" fill="rgb({red},{green},{blue})"/>'
        f'<text x="{x + wide / 2}" y="{y + 16}" text-anchor="middle" fill="{ink}">{escape(how(value))}</text>'
    )
