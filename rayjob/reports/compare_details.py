"""What to do about a comparison: tags, substitutions, containment, the grid and the rows where two sides part most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rayjob.labels import agreement_tags as tags
from rayjob.labels.agreement import Coded, Floats, compare_rows
from rayjob.reports.compare import Comparison

#: The grid's dimensions where both are there; else the first two single-select dimensions.
GRID = ("intent", "difficulty")


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows and mean exact agreement (over the dimensions) per cell, by what side `a` of the focus says."""

    row: str
    column: str
    row_tags: tuple[str, ...]
    column_tags: tuple[str, ...]
    counts: Floats
    agreement: Floats


@dataclass(frozen=True, slots=True)
class Apart:
    """A row on which the sides of the focus part: `disagreement` is the mean over dimensions of 1 - Jaccard."""

    key: str
    disagreement: float
    differences: Mapping[str, tuple[str, str]]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """The focus pair told in detail; every list has the most important first."""

    gaps: tuple[tags.TagUse, ...]
    substitutions: tuple[tags.Substitution, ...]
    containment: tuple[tags.Containment, ...]
    grid: Grid | None
    rows: tuple[Apart, ...]


def find_details(found: Comparison, top_rows: int = 10) -> Details:
    """Tags, substitutions, containment, grid and the `top_rows` rows with the highest disagreement (no texts yet)."""
    a, b = found.focus
    shared = {name: one for name, one in found.coded.items() if (one.known[a] & one.known[b]).any()}
    uses = [use for one in shared.values() for use in tags.tag_uses(one, a, b)]
    swaps = [swap for one in shared.values() for swap in tags.substitutions(one, a, b)]
    return Details(
        gaps=tuple(sorted(uses, key=lambda use: (-abs(use.gap), use.dimension, use.tag))),
        substitutions=tuple(sorted(swaps, key=lambda swap: (-swap.rows, swap.dimension, swap.a, swap.b))),
        containment=tuple(tags.containment(one, a, b) for one in shared.values() if one.multi),
        grid=find_grid(shared, (a, b)),
        rows=_rows_apart(found, shared, top_rows),
    )


def find_grid(coded: Mapping[str, Coded], pair: tuple[int, int]) -> Grid | None:
    """Where on two single-select dimensions the sides part; None where there are not two."""
    single = [name for name, one in coded.items() if not one.multi and one.tags]
    names = GRID if all(name in single for name in GRID) else tuple(single[:2])
    if len(names) < 2:
        return None
    row, column = coded[names[0]], coded[names[1]]
    compared = [compare_rows(one, *pair) for one in coded.values()]
    known = np.sum([rows.known for rows in compared], axis=0)
    exact = np.sum([rows.exact for rows in compared], axis=0) / np.maximum(known, 1)
    # A row that one side leaves open throughout is not compared: it must not read as one on which they part.
    row = replace(row, members=row.members & (known > 0)[:, None])
    counts, means = tags.grid_of(row, column, exact, pair[0])
    return Grid(row.name, column.name, row.tags, column.tags, counts, means)


def _rows_apart(found: Comparison, shared: Mapping[str, Coded], top: int) -> tuple[Apart, ...]:
    if not shared:
        return ()
    a, b = found.focus
    compared = [compare_rows(one, a, b) for one in shared.values()]
    known = np.sum([rows.known for rows in compared], axis=0)
    apart = np.sum([rows.known - rows.jaccard for rows in compared], axis=0) / np.maximum(known, 1)
    order = [int(row) for row in np.argsort(-apart, kind="stable")[:top] if apart[row] > 0]
    return tuple(Apart(found.joined.keys[row], float(apart[row]), _differences(shared, row, a, b)) for row in order)


def _differences(shared: Mapping[str, Coded], row: int, a: int, b: int) -> dict[str, tuple[str, str]]:
    found = {}
    for name, one in shared.items():
        left, right = one.members[a, row], one.members[b, row]
        if one.known[a, row] and one.known[b, row] and (left != right).any():
            found[name] = (_words(one, left), _words(one, right))
    return found


def _words(one: Coded, members: np.ndarray) -> str:
    return ", ".join(one.tags[i] for i in np.flatnonzero(members)) or "–"
