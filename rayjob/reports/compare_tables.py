"""A comparison as tables of text, for the terminal, Markdown and HTML alike. Computes nothing, prints nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rayjob.reports.compare import OVERALL, Comparison, Pair
from rayjob.reports.compare_details import Details
from rayjob.reports.history import history_tables, mean_confidence
from rayjob.reports.labelled import Labelled
from rayjob.reports.table import Table, number, percent, percent_of, published_number, shorten, some, with_interval

_TOP = 15


def all_tables(found: Comparison, details: Details) -> list[Table]:
    """Every table of a comparison, in the order in which they are read. Empty ones are left out."""
    focus = next(pair for pair in found.pairs if (pair.a, pair.b) == found.focus)
    names = tuple(found.sides[side].name for side in found.focus)
    tables = [
        sides_table(found),
        agreement_table(found, focus),
        chance_table(found, focus),
        *many_sides_tables(found),
        *history_tables(found),
        gaps_table(details, names),
        substitutions_table(details, names),
        containment_table(details, names),
        grid_table(details),
        violations_table(found.sides),
        usage_table(found.sides),
        rows_table(details, names),
    ]
    return [table for table in tables if table is not None and table.rows]


def sides_table(found: Comparison) -> Table:
    """Who is compared, over how many rows, and what each side lacks."""
    joined = found.joined
    rows = [
        (
            side.name, str(len(side)), str(len(joined.keys)), some(joined.missing[i]), some(joined.duplicated[i]),
            some(joined.unlabelled[i]), ", ".join(joined.lacking[i]) or "–",
        )
        for i, side in enumerate(found.sides)
    ]  # fmt: skip
    columns = ("side", "rows", "compared", "missing here", "ids twice", "without labels", "dimensions missing")
    over = "rows" if joined.groups is None else f"{joined.draw_from} conversations (their rows are drawn together)"
    return Table("Sides", columns, tuple(rows), f"Joined by {joined.by}; {found.draws} bootstrap draws over {over}.")


def agreement_table(found: Comparison, pair: Pair) -> Table:
    """Exact, partial and Jaccard per dimension, with the mean confidence of both sides."""
    a, b = (found.sides[side] for side in (pair.a, pair.b))
    rows = []
    for name in [name for name in pair.metrics if name != OVERALL]:
        metric = pair.metrics[name]
        left, right = (mean_confidence(found, side, name) for side in (pair.a, pair.b))
        delta = "–" if math.isnan(right - left) else f"{right - left:+.3f}"
        rates = (
            percent(metric["exact"].value),
            percent(metric["partial"].value),
            published_number(metric["jaccard"].value),
        )
        rows.append((name, str(pair.rows[name]), *rates, number(left), number(right), delta))
    if overall := pair.metrics.get(OVERALL):
        means = (
            percent_of(overall["exact"].value),
            percent(overall["partial"].value),
            published_number(overall["jaccard"].value),
        )
        rows.append((OVERALL, "", *means, "", "", ""))
    columns = ("dimension", "rows", "exact", "partial", "jaccard", f"conf. {a.name}", f"conf. {b.name}", "delta")
    note = "Two answers that say nothing agree here. Rates are rounded to four digits, then shown."
    return Table(f"Agreement: {a.name} | {b.name}", columns, tuple(rows), note)


def chance_table(found: Comparison, pair: Pair) -> Table:
    """Agreement where somebody says something, and agreement beyond chance, with 95 % intervals."""
    rows = []
    for name in sorted(pair.metrics, key=lambda name: name == OVERALL):
        metric = pair.metrics[name]
        cells = [with_interval(metric.get(key)) for key in ("exact", "exact_said", "kappa", "micro_f1", "alpha")]
        jaccard = metric.get("jaccard_said")
        said = str(pair.said[name]) if name in pair.said else ""
        rows.append((name, said, *cells[:2], number(jaccard.value if jaccard else float("nan")), *cells[2:]))
    columns = ("dimension", "said", "exact", "exact, said", "jaccard, said", "kappa", "micro F1", "alpha")
    a, b = (found.sides[side].name for side in (pair.a, pair.b))
    note = (
        "said: rows where at least one side says something. kappa: Cohen's, for sets pooled over tags. "
        "alpha: Krippendorff's, MASI distance for sets. [95 % bootstrap interval]"
    )
    return Table(f"Beyond chance: {a} | {b}", columns, tuple(rows), note)


def many_sides_tables(found: Comparison) -> list[Table]:
    """With more than two sides: every pair overall, and alpha over all of them."""
    if len(found.sides) < 3:
        return []
    names = [side.name for side in found.sides]
    pairs = [
        (
            names[pair.a],
            names[pair.b],
            *(with_interval(pair.metrics[OVERALL].get(m)) for m in ("exact", "kappa", "alpha")),
        )
        for pair in found.pairs
        if OVERALL in pair.metrics
    ]
    alphas = tuple((name, with_interval(value)) for name, value in found.alpha.items())
    return [
        Table("Every pair, overall", ("a", "b", "exact", "kappa", "alpha"), tuple(pairs), "Means over dimensions."),
        Table(f"Alpha over all {len(names)} sides", ("dimension", "alpha"), alphas),
    ]


def gaps_table(details: Details, names: tuple[str, ...]) -> Table:
    """The tags with the largest gap in use."""
    rows = [
        (use.dimension, use.tag, str(use.a), str(use.b), f"{use.gap:+d}", str(use.both), number(use.kappa))
        for use in details.gaps[:_TOP]
        if use.gap
    ]
    columns = ("dimension", "tag", names[0], names[1], "gap", "both", "kappa")
    return Table("Tags with the largest gaps in use", columns, tuple(rows), "In rows.")


def substitutions_table(details: Details, names: tuple[str, ...]) -> Table:
    """Which tag stands on one side for which on the other."""
    rows = [
        (swap.dimension, swap.a or "(nothing)", swap.b or "(nothing)", str(swap.rows))
        for swap in details.substitutions[:_TOP]
    ]
    note = "Rows in which the sides differ by at most one tag each."
    return Table("This tag there for that tag here", ("dimension", names[0], names[1], "rows"), tuple(rows), note)


def containment_table(details: Details, names: tuple[str, ...]) -> Table:
    """Who contains whom, in rows."""
    rows = [
        (
            one.dimension, str(one.both_empty), str(one.equal), str(one.a_in_b), str(one.b_in_a), str(one.overlap),
            str(one.disjoint),
        )
        for one in details.containment
    ]  # fmt: skip
    columns = ("dimension", "both empty", "equal", f"{names[1]} adds", f"{names[0]} adds", "overlap", "disjoint")
    return Table("Who contains whom", columns, tuple(rows), "In rows; “adds”: says all the other says, and more.")


def grid_table(details: Details) -> Table | None:
    """Two dimensions crossed: agreement and rows per cell."""
    grid = details.grid
    if grid is None:
        return None
    rows = [
        (tag, *(_cell(grid.agreement[i, j], grid.counts[i, j]) for j in range(len(grid.column_tags))))
        for i, tag in enumerate(grid.row_tags)
    ]
    note = "Mean exact agreement over all dimensions (rows)."
    return Table(f"{grid.row} × {grid.column}", (grid.row, *grid.column_tags), tuple(rows), note)


def _cell(agreement: float, count: float) -> str:
    return f"{percent(agreement)} ({int(count)})" if count else "–"


def violations_table(sides: Sequence[Labelled]) -> Table:
    """Tags outside the pool apart from the new tags a model offered."""
    rows = [
        (side.name, str(int(side.violating.sum())), _counted(side.violations), _counted(side.suggestions))
        for side in sides
    ]
    columns = ("side", "rows with violations", "violations", "suggestions")
    note = "A violation is a tag used outside the pool; a suggestion is a new tag the model offered as asked."
    return Table("Violations and suggestions", columns, tuple(rows), note)


def _counted(counts: Mapping[str, int]) -> str:
    items = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{tag} {count}" if count > 1 else tag for tag, count in items[:5])
    return f"{sum(count for _, count in items)}: {shown}{', …' if len(items) > 5 else ''}" if items else "0"


def usage_table(sides: Sequence[Labelled]) -> Table:
    """Calls, tokens, cost and time side by side."""
    rows = [
        (
            side.name, _maybe(side.usage.calls), _maybe(side.usage.prompt_tokens), _maybe(side.usage.completion_tokens),
            _maybe(side.usage.cost_usd, ",.4f"), _maybe(side.usage.seconds, ",.1f"),
        )
        for side in sides
    ]  # fmt: skip
    columns = ("side", "calls", "prompt tokens", "completion tokens", "cost, USD", "seconds")
    return Table("What it took", columns, tuple(rows))


def _maybe(value: float | None, how: str = ",") -> str:
    return "–" if value is None else format(value, how)


def rows_table(details: Details, names: tuple[str, ...]) -> Table:
    """The rows on which the two sides part most, with the beginning of their text."""
    rows = [
        (row.key, number(row.disagreement, 2), _differences(row.differences.items()), shorten(row.text))
        for row in details.rows
    ]
    columns = ("row", "apart", f"{names[0]} | {names[1]}", "text")
    return Table(
        "Rows with the highest disagreement", columns, tuple(rows), "apart: mean over dimensions of 1 - Jaccard."
    )


def _differences(items: Iterable[tuple[str, tuple[str, str]]]) -> str:
    return "; ".join(f"{name}: {left} | {right}" for name, (left, right) in items)
