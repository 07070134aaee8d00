"""Compare two or more sets of labels over the same rows: agreement with intervals, and where the sides part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rayjob.labels import agreement_alpha as alpha
from rayjob.labels import agreement_bootstrap as bootstrap
from rayjob.labels.agreement import Coded, Floats, compare_rows, contributions, measure
from rayjob.labels.agreement_bootstrap import Difference, Interval
from rayjob.reports.compare_join import Joined, align_answers, code_joined, join_sides
from rayjob.reports.labelled import Labelled

#: Every statistic a pair can have, in the order in which they are shown.
METRICS = (
    "exact", "partial", "jaccard", "exact_said", "partial_said", "jaccard_said", "kappa", "flat_kappa", "micro_f1",
    "alpha",
)  # fmt: skip
OVERALL = "overall"

#: Per dimension and metric the estimate and its draws, (1 + draws,).
Draws = Mapping[str, Mapping[str, Floats]]


@dataclass(frozen=True, slots=True)
class Options:
    """How to compare. `reference` is a side's index: the others are measured against it."""

    by: str = "auto"
    draws: int = 1000
    seed: int = 0
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the bootstrap draws: how often, and which rows together (None: each alone)."""

    draws: int
    seed: int
    groups: NDArray[np.int64] | None

    def sums(self, table: Floats) -> Floats:
        """(rows, columns) → (1 + draws, columns): the sums over all rows, then over each draw."""
        return bootstrap.sum_draws(bootstrap.sum_groups(table, self.groups), self.draws, self.seed)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides: `rows` compared per dimension, the metrics per dimension and `overall` (mean over dimensions)."""

    a: int
    b: int
    rows: Mapping[str, int]
    said: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True, slots=True)
class Step:
    """What changed from side `a` to side `b`, paired over the same draws: {dimension: {metric: difference}}.

    With a reference the metrics are agreement with it; without one only what each side says by itself.
    """

    a: int
    b: int
    changes: Mapping[str, Mapping[str, Difference]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything `compare` found; `focus` is the pair whose differences are told in detail."""

    sides: tuple[Labelled, ...]
    joined: Joined
    coded: Mapping[str, Coded]
    pairs: tuple[Pair, ...]
    alpha: Mapping[str, Interval]
    steps: tuple[Step, ...]
    focus: tuple[int, int]
    draws: int
    reference: int | None


def compare_sides(sides: Sequence[Labelled], options: Options = Options()) -> Comparison:
    """Compare all sides over the rows they share. Raises LabelledError where they share none."""
    sides = align_answers(sides)
    joined = join_sides(sides, options.by)
    coded = code_joined(sides, joined)
    draws = bootstrap.affordable_draws(joined.draw_from, options.draws)
    options = replace(options, draws=draws)
    how = Drawing(draws, options.seed, joined.groups)
    drawn = {pair: draw_pair(coded, pair, how) for pair in _pairs(len(sides), options.reference)}
    against = options.reference
    steps = tuple(_step(sides, joined, drawn, pair, (against, how)) for pair in _steps(len(sides), against))
    return Comparison(
        sides=tuple(sides),
        joined=joined,
        coded=coded,
        pairs=tuple(_describe(coded, pair, values) for pair, values in drawn.items()),
        alpha=_alpha_of_all(coded, drawn, how),
        steps=steps,
        focus=_focus(len(sides), options.reference),
        draws=draws,
        reference=options.reference,
    )


def _pairs(count: int, reference: int | None) -> list[tuple[int, int]]:
    every = [(a, b) for a in range(count) for b in range(a + 1, count)]
    if reference is None:
        return every
    # The reference stands first in its pairs, so that "gap" reads: this many more than the reference.
    against = [(reference, other) for other in range(count) if other != reference]
    return against + [pair for pair in every if reference not in pair]


def _others(count: int, reference: int | None) -> list[int]:
    return [side for side in range(count) if side != reference]


def _steps(count: int, reference: int | None) -> list[tuple[int, int]]:
    versions = _others(count, reference)
    return list(pairwise(versions))


def _focus(count: int, reference: int | None) -> tuple[int, int]:
    newest = _others(count, reference)
    return (reference, newest[-1]) if reference is not None else (newest[-2], newest[-1])


def draw_pair(coded: Mapping[str, Coded], pair: tuple[int, int], how: Drawing) -> Draws:
    """Every metric of every dimension both sides have, and overall; the same seed gives every pair the same draws."""
    found: dict[str, Mapping[str, Floats]] = {}
    for name, one in coded.items():
        if (one.known[pair[0]] & one.known[pair[1]]).any():
            rows = alpha.alpha_rows(one, pair)
            sums = how.sums(np.hstack([contributions(one, *pair), rows.sums]))
            found[name] = {**measure(sums[:, :-3], one.multi), "alpha": alpha.alpha_of(sums[:, -3:], rows.expected)}
    shown = [metric for metric in METRICS if any(metric in metrics for metrics in found.values())]
    overall = {metric: _mean([metrics[metric] for metrics in found.values() if metric in metrics]) for metric in shown}
    return {OVERALL: overall, **found} if found else {}


def _mean(values: Sequence[Floats]) -> Floats:
    """The mean over dimensions, leaving out those where the metric is not defined."""
    stacked = np.vstack(values)
    defined = (~np.isnan(stacked)).sum(axis=0)
    return np.where(defined > 0, np.nansum(stacked, axis=0) / np.maximum(defined, 1), np.nan)


def _alpha_of_all(
    coded: Mapping[str, Coded], drawn: Mapping[tuple[int, int], Draws], how: Drawing
) -> dict[str, Interval]:
    """Alpha over all sides; of two sides it is the pair's."""
    if list(drawn) == [(0, 1)]:
        return {name: bootstrap.interval(metrics["alpha"]) for name, metrics in drawn[0, 1].items() if name != OVERALL}
    found = {}
    for name, one in coded.items():
        rows = alpha.alpha_rows(one)
        found[name] = bootstrap.interval(alpha.alpha_of(how.sums(rows.sums), rows.expected))
    return found


def _describe(coded: Mapping[str, Coded], pair: tuple[int, int], drawn: Draws) -> Pair:
    compared = {name: compare_rows(coded[name], *pair) for name in drawn if name != OVERALL}
    return Pair(
        a=pair[0],
        b=pair[1],
        rows={name: int(rows.known.sum()) for name, rows in compared.items()},
        said={name: int(rows.said.sum()) for name, rows in compared.items()},
        metrics={
            name: {metric: bootstrap.interval(values) for metric, values in metrics.items()}
            for name, metrics in drawn.items()
        },
    )


def _step(
    sides: Sequence[Labelled],
    joined: Joined,
    drawn: Mapping[tuple[int, int], Draws],
    pair: tuple[int, int],
    against: tuple[int | None, Drawing],
) -> Step:
    changes: dict[str, dict[str, Difference]] = {}
    reference, how = against
    if reference is not None:
        changes |= _against_reference(drawn[(reference, pair[0])], drawn[(reference, pair[1])])
    for (dimension, metric), columns in _own_values(sides, joined, pair).items():
        sums = how.sums(np.column_stack([*columns, np.ones(len(joined.keys))]))
        means = sums[:, :2] / sums[:, 2:]
        changes.setdefault(dimension, {})[metric] = bootstrap.paired_difference(means[:, 0], means[:, 1])
    return Step(*pair, changes)


def _against_reference(before: Draws, after: Draws) -> dict[str, dict[str, Difference]]:
    """Paired differences per dimension, and of the overall means over what both versions have: a dimension that only
    one of them labels, or where a metric is defined for one alone, would move the mean without any label changing."""
    found: dict[str, dict[str, Difference]] = {OVERALL: {}}
    both: dict[str, list[tuple[Floats, Floats]]] = {}
    for name in [name for name in before if name in after and name != OVERALL]:
        found[name] = {}
        for metric in [metric for metric in before[name] if metric in after[name]]:
            left, right = before[name][metric], after[name][metric]
            found[name][metric] = bootstrap.paired_difference(left, right)
            apart = right - left  # nan where one of them is not defined
            both.setdefault(metric, []).append((left + 0 * apart, right + 0 * apart))
    for metric, pairs in both.items():
        means = [_mean(values) for values in zip(*pairs, strict=True)]
        found[OVERALL][metric] = bootstrap.paired_difference(means[0], means[1])
    return found


def _own_values(
    sides: Sequence[Labelled], joined: Joined, pair: tuple[int, int]
) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """What a side says by itself, per row: tags per dimension, confidence, whether a tag broke the pool."""
    both = [(sides[side], joined.rows[side]) for side in pair]
    (left, rows_a), (right, rows_b) = both
    found = {(OVERALL, "violating"): (left.violating[rows_a], right.violating[rows_b])}
    for name in [name for name in left.answers if name in right.answers]:
        tags = tuple(np.array([len(s.answers[name][row] or ()) for row in rows], dtype=float) for s, rows in both)
        found[(name, "tags")] = (tags[0], tags[1])
        if name in left.confidence and name in right.confidence:
            values = left.confidence[name][rows_a], right.confidence[name][rows_b]
            both_given = ~np.isnan(values[0] + values[1])
            if both_given.all():
                found[(name, "confidence")] = values
    return found
