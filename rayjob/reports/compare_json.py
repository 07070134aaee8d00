"""A comparison as JSON-able data: full precision, null where a statistic is not defined. Computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from rayjob.labels.agreement_bootstrap import Difference, Interval
from rayjob.reports.compare import Comparison, Pair
from rayjob.reports.compare_details import Details


def to_json(found: Comparison, details: Details) -> dict[str, object]:
    """Everything the tables show, and the metrics of every pair."""
    names = [side.name for side in found.sides]
    return {
        "compared_rows": len(found.joined.keys),
        "joined_by": found.joined.by,
        "bootstrap_draws": found.draws,
        "reference": None if found.reference is None else names[found.reference],
        "sides": [_side(found, index) for index in range(len(names))],
        "pairs": [_pair(pair, names) for pair in found.pairs],
        "alpha": {name: _interval(value) for name, value in found.alpha.items()},
        "history": [
            {"from": names[step.a], "to": names[step.b], "changes": _nested(step.changes, _difference)}
            for step in found.steps
        ],
        "details": {"a": names[found.focus[0]], "b": names[found.focus[1]], **_details(details)},
    }


def _side(found: Comparison, index: int) -> dict[str, object]:
    side, joined = found.sides[index], found.joined
    means = {
        name: clean(sum(given) / len(given)) if (given := [v for v in values[joined.rows[index]] if v == v]) else None
        for name, values in side.confidence.items()
    }
    return {
        "name": side.name,
        "path": side.path,
        "labelled_rows": len(side),
        "missing": list(joined.missing[index]),
        "duplicated": list(joined.duplicated[index]),
        "unlabelled": list(joined.unlabelled[index]),
        "dimensions_missing": list(joined.lacking[index]),
        "mean_confidence": means,
        "rows_with_violations": int(side.violating.sum()),
        "violations": dict(side.violations),
        "suggestions": dict(side.suggestions),
        "usage": asdict(side.usage),
    }


def _pair(pair: Pair, names: list[str]) -> dict[str, object]:
    return {
        "a": names[pair.a],
        "b": names[pair.b],
        "rows": dict(pair.rows),
        "rows_said": dict(pair.said),
        "metrics": _nested(pair.metrics, _interval),
    }


def _details(details: Details) -> dict[str, object]:
    grid = details.grid
    return {
        "tag_use": [{**asdict(use), "gap": use.gap, "kappa": clean(use.kappa)} for use in details.gaps],
        "substitutions": [asdict(swap) for swap in details.substitutions],
        "containment": [asdict(one) for one in details.containment],
        "grid": grid
        and {
            "row": grid.row,
            "column": grid.column,
            "row_tags": list(grid.row_tags),
            "column_tags": list(grid.column_tags),
            "rows": [[int(count) for count in line] for line in grid.counts],
            "exact": [[clean(value) for value in line] for line in grid.agreement],
        },
        "rows": [asdict(row) for row in details.rows],
    }


def _nested(values: Mapping[str, Mapping[str, object]], how: object) -> dict[str, dict[str, object]]:
    assert callable(how)
    return {name: {metric: how(value) for metric, value in metrics.items()} for name, metrics in values.items()}


def _interval(found: Interval) -> dict[str, float | None]:
    return {"value": clean(found.value), "low": clean(found.low), "high": clean(found.high)}


def _difference(found: Difference) -> dict[str, object]:
    shown: dict[str, object] = {name: clean(getattr(found, name)) for name in ("value", "low", "high", "p")}
    return {**shown, "beyond_noise": found.beyond_noise}


def clean(value: float) -> float | None:
    """The number, None where it is not defined: JSON has no nan."""
    return None if math.isnan(value) else float(value)
