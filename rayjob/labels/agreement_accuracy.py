"""How accurate labels are, judged on a sample: shares with intervals, weighted by stratum, corrected for reviewers.

Intervals speak of rows like these (a superpopulation), not only of the rows that were there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rayjob.labels.agreement import Floats
from rayjob.labels.agreement_bootstrap import Interval

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Stratum:
    """A stratum's share of the run (they sum to 1), and its judged rows: how many, and how many were right."""

    weight: float
    rows: int
    hits: float


def make_strata(hits: Sequence[float], strata: Sequence[str], population: Mapping[str, int]) -> list[Stratum]:
    """The strata of judged rows; one without judged rows cannot be estimated and is left out (see `uncovered`).

    Without a population every row counts the same.
    """
    values = np.asarray(hits, dtype=np.float64)
    if not population:
        return [Stratum(1.0, len(values), float(values.sum()))] if len(values) else []
    names = np.asarray(strata)
    total = sum(size for name, size in population.items() if (names == name).any())
    return [
        Stratum(size / total, int((names == name).sum()), float(values[names == name].sum()))
        for name, size in sorted(population.items())
        if (names == name).any()
    ]


def uncovered(strata: Sequence[str], population: Mapping[str, int]) -> float:
    """The share of the run that lies in strata without a judged row."""
    total = sum(population.values())
    return sum(size for name, size in population.items() if name not in set(strata)) / total if total else 0.0


def estimate_share(strata: Sequence[Stratum], seed: int = 0) -> Interval:
    """The stratified (Hájek) estimate of a share, Σ W·hits/rows, with a 95 % interval.

    Each stratum's share has the posterior Beta(hits + W/2, misses + W/2); the interval holds the middle 95 % of their
    weighted sum. With one stratum that is Jeffreys' interval (Brown, Cai & DasGupta 2001); the prior is shared out by
    weight so that many small strata do not pull the sum towards one half.
    """
    if not strata:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = np.zeros(DRAWS)
    for one in strata:
        prior = one.weight / 2
        drawn += one.weight * rng.beta(one.hits + prior, one.rows - one.hits + prior, DRAWS)
    low, high = np.quantile(drawn, (0.025, 0.975))
    value = sum(one.weight * one.hits / one.rows for one in strata)
    # Jeffreys' interval reaches the end where nothing, or everything, was right.
    low = 0.0 if all(one.hits == 0 for one in strata) else low
    high = 1.0 if all(one.hits == one.rows for one in strata) else high
    return Interval(value, float(low), float(high))


def wilson_interval(hits: float, rows: float) -> Interval:
    """A share and Wilson's score interval (1927) at 95 %; `rows` may be an effective number of rows."""
    if rows <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    z, share = 1.959964, hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def effective_rows(weights: Floats) -> float:
    """Kish's effective sample size, (Σw)² / Σw²."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


@dataclass(frozen=True, slots=True)
class Doubled:
    """Judged rows of a stratum by what reviewers said of the labels.

    single_hit, single_miss: rows one reviewer judged; of the rows two judged: both, one or none agree with the label,
    and where none does, whether the reviewers agree with each other.
    """

    weight: float
    single_hit: int = 0
    single_miss: int = 0
    both: int = 0
    one: int = 0
    none_same: int = 0
    none_apart: int = 0


def correct_for_reviewers(strata: Sequence[Doubled], tags: int, seed: int = 0) -> tuple[Interval, Interval]:
    """(accuracy of the labels, error rate of a reviewer), from rows that partly two reviewers judged blindly.

    Reviewers err independently of each other and of the labels, at one rate e, and evenly over the other tags - 1 tags
    (tags = 0: errors never coincide, as among sets). Two reviewers agree in c = (1-e)² + e²/(tags-1) of the rows; a
    label that is right in a share a of the rows agrees with a reviewer in q = a(1-e) + (1-a)e/(tags-1). Both are solved
    for e and a (Rogan & Gladen 1978) in each posterior draw of q and c.
    """
    rng = np.random.default_rng(seed)
    q, c = np.zeros(DRAWS), np.zeros(DRAWS)
    q_mean = c_mean = covered = 0.0
    for one in strata:
        twice = np.array([one.both, one.one, one.none_same, one.none_apart], dtype=np.float64)
        alone = np.array([one.single_hit, one.single_miss], dtype=np.float64)
        theta = rng.dirichlet(twice + np.array([0.5, 0.25, 0.125, 0.125]) * one.weight, DRAWS)
        single = rng.dirichlet(alone + one.weight / 2, DRAWS)[:, 0] if alone.sum() else np.zeros(DRAWS)
        n_alone, n_twice = alone.sum(), twice.sum()
        share = n_twice / max(n_alone + n_twice, 1)
        q += one.weight * (share * (theta[:, 0] + theta[:, 1] / 2) + (1 - share) * single)
        q_mean += one.weight * (one.single_hit + one.both + one.one / 2) / max(n_alone + n_twice, 1)
        if n_twice:
            c += one.weight * (theta[:, 0] + theta[:, 2])
            c_mean += one.weight * (one.both + one.none_same) / n_twice
            covered += one.weight
    if not covered:
        missing = Interval(float("nan"), float("nan"), float("nan"))
        return missing, missing
    error, accuracy = _solve(q, c / covered, tags)
    point_error, point = _solve(np.array([q_mean]), np.array([c_mean / covered]), tags)
    return _middle(float(point[0]), accuracy), _middle(float(point_error[0]), error)


def _solve(q: Floats, c: Floats, tags: int) -> tuple[Floats, Floats]:
    """(e, a) from q and c."""
    other = 1 / (tags - 1) if tags > 1 else 0.0
    error = (1 - np.sqrt(np.maximum(0.0, 1 - (1 + other) * (1 - c)))) / (1 + other)
    accuracy = (q - error * other) / np.maximum(1 - error - error * other, 1e-9)
    return error, np.clip(accuracy, 0.0, 1.0)


def _middle(value: float, drawn: Floats) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value, float(low), float(high))
