"""Versions in order (prompt v1 … v4): what each says by itself, its agreement with the reference, and the deltas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from rayjob.labels.agreement_bootstrap import Difference
from rayjob.reports.compare import OVERALL, Comparison
from rayjob.reports.table import Table, number, percent

#: How a value reads in its cell.
Shown = Callable[[float], str]

_NOTE = (
    "In brackets the change from the version before, overall over the dimensions that both have; * beyond noise "
    "(95 % paired bootstrap over the same rows: one cell in twenty has a star by chance)."
)
_AGAINST = (("exact", percent), ("kappa", number), ("micro_f1", number))
_OWN = (("confidence", number), ("tags", number), ("violating", percent))
_TITLES = {"confidence": "mean confidence", "tags": "tags per row", "violating": "rows with violations"}


def history_tables(found: Comparison) -> list[Table]:
    """One table per metric, a row per dimension, a column per version; none where there is nothing to follow."""
    if not found.steps:
        return []
    versions = [found.steps[0].a, *(step.b for step in found.steps)]
    tables = []
    if found.reference is not None:
        name = found.sides[found.reference].name
        tables = [
            _table(f"History: {metric} against {name}", found, versions, (metric, how)) for metric, how in _AGAINST
        ]
    own = [_table(f"History: {_TITLES[metric]}", found, versions, (metric, how)) for metric, how in _OWN]
    return [table for table in [*tables, *own] if table.rows and not _is_nothing(table)]


def _is_nothing(table: Table) -> bool:
    """Whether all versions are at zero throughout, as violations should be."""
    return not any(digit in cell for row in table.rows for cell in row[1:] for digit in "123456789")


def _table(title: str, found: Comparison, versions: Sequence[int], metric: tuple[str, Shown]) -> Table:
    names = sorted(
        dict.fromkeys(name for step in found.steps for name in step.changes), key=lambda name: name == OVERALL
    )
    rows = []
    for name in names:
        changes = [step.changes.get(name, {}).get(metric[0]) for step in found.steps]
        if any(change is not None for change in changes):
            values = [_value(found, side, name, metric[0]) for side in versions]
            rows.append((name, *_cells(values, _moves(name, values, changes), metric[1])))
    columns = ("dimension", *(found.sides[side].name for side in versions))
    return Table(title, columns, tuple(rows), _NOTE)


def _moves(
    name: str, values: Sequence[float], changes: Sequence[Difference | None]
) -> list[tuple[float, Difference] | None]:
    """Each change as it is shown and as it was tested: the difference of the two cells, but overall, where versions can
    differ in their dimensions, of what both have."""
    return [
        None if change is None else (change.value if name == OVERALL else after - before, change)
        for (before, after), change in zip(pairwise(values), changes, strict=True)
    ]


def _cells(values: Sequence[float], moves: Sequence[tuple[float, Difference] | None], how: Shown) -> list[str]:
    cells = [how(values[0])]
    for value, move in zip(values[1:], moves, strict=True):
        cells.append(f"{how(value)}{'' if move is None else f' ({_signed(move[0], how)}{_star(move[1])})'}")
    return cells


def _signed(change: float, how: Shown) -> str:
    shown = how(abs(change))
    return shown if not any(digit in shown for digit in "123456789") else f"{'+' if change > 0 else '-'}{shown}"


def _star(change: Difference) -> str:
    return "*" if change.beyond_noise else ""


def _value(found: Comparison, side: int, name: str, metric: str) -> float:
    """A version's own value, or its agreement with the reference."""
    labelled, rows = found.sides[side], found.joined.rows[side]
    if metric == "violating":
        return float(labelled.violating[rows].mean())
    if metric == "tags":
        return float(np.mean([len(labelled.answers[name][row] or ()) for row in rows]))
    if metric == "confidence":
        return mean_confidence(found, side, name)
    pair = next(pair for pair in found.pairs if (pair.a, pair.b) == (found.reference, side))
    metrics = pair.metrics.get(name, pair.metrics.get(OVERALL, {}) if name == OVERALL else {})
    return metrics[metric].value if metric in metrics else float("nan")


def mean_confidence(found: Comparison, side: int, dimension: str) -> float:
    """A side's mean confidence over the compared rows that state one, rounded to three digits as in stats.json."""
    values = found.sides[side].confidence.get(dimension)
    if values is None:
        return float("nan")
    given = [value for value in values[found.joined.rows[side]].tolist() if not math.isnan(value)]
    return round(math.fsum(given) / len(given), 3) if given else float("nan")
