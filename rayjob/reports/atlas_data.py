"""Rows and their vectors as points of the atlas. Chooses no rows: see `rayjob.vectors.project.sample_rows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayjob.reports.atlas import Point
from rayjob.vectors.check import Floats
from rayjob.vectors.project import project


def place_points(vectors: Floats, facts: Sequence[Mapping[str, Any]], seed: int = 0) -> tuple[Point, ...]:
    """One point a row of `vectors` (n, d): `facts[i]` holds the fields of its Point, without x and y."""
    places = project(vectors, seed)
    return tuple(Point(x=float(x), y=float(y), **fact) for (x, y), fact in zip(places, facts, strict=True))
