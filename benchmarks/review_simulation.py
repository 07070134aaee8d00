"""Simulated reviewers and models with known error rates: do intervals, thresholds and calibration keep their word?

Run: python benchmarks/review_simulation.py [simulations] [intervals|calibration]. 400 take 15 minutes on one core.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement_accuracy import estimate_share, make_strata
from rayjob.reports.accuracy import score_against_reviewers
from rayjob.reports.calibrate import Calibrated, Promise, calibrate_run, calibration_error, find_threshold
from rayjob.reports.confidence_maps import Outcomes, apply_map
from rayjob.reports.gold import Judged
from rayjob.reports.labelled import build_labelled
from rayjob.review.sample import STRATEGIES, Candidate, Strategy, pick_rows

SIZES = (108, 5000)
TAGS = "abcde"


@dataclass(frozen=True)
class Case:
    """Labels right in `accuracy` of the rows, reviewers wrong in `error`, a share `overlap` of rows judged by two."""

    accuracy: float
    error: float
    overlap: float


CASES = (Case(0.85, 0.05, 1.0), Case(0.85, 0.10, 0.3), Case(0.70, 0.10, 1.0), Case(0.92, 0.03, 0.5))


def noisy(truth: NDArray[np.int64], error: float, rng: np.random.Generator) -> NDArray[np.int64]:
    wrong = rng.random(len(truth)) < error
    return np.where(wrong, (truth + rng.integers(1, len(TAGS), len(truth))) % len(TAGS), truth)


def judged_interval(rows: int, case: Case, seed: int) -> tuple[bool, bool]:
    """Whether the corrected accuracy and the reviewers' error rate lie in their intervals."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(TAGS), rows)
    label, ann, bob = (noisy(truth, error, rng) for error in (1 - case.accuracy, case.error, case.error))
    twice = rng.random(rows) < case.overlap
    run = build_labelled("run", "run", [{"id": str(i), "labels": {"intent": TAGS[label[i]]}} for i in range(rows)])
    said = [{"ann": {"intent": (TAGS[a],)}, "bob": {"intent": (TAGS[b],)}} for a, b in zip(ann, bob, strict=True)]
    judged = [Judged(str(i), "", both if twice[i] else {"ann": both["ann"]}) for i, both in enumerate(said)]
    [score] = score_against_reviewers(run, judged, {}, {"intent": len(TAGS)}, seed)
    inside = score.corrected.low <= case.accuracy <= score.corrected.high
    return inside, score.reviewer_error.low <= case.error <= score.reviewer_error.high


def sampled_interval(rows: int, strategy: Strategy, seed: int) -> bool:
    """A review drawn from a run five times as large: does the weighted interval hold the run's rate?"""
    rng = np.random.default_rng(seed)
    population = rows * 5
    confidence = rng.beta(8, 2, population)
    rare = rng.random(population) < 0.1
    chance = np.where(rare, 0.6, 0.75 + 0.2 * confidence)
    right = rng.random(population) < chance
    candidates = [
        Candidate(i, float(confidence[i]), float(1 - confidence[i]), "rare" if rare[i] else "common")
        for i in range(population)
    ]
    sample = pick_rows(candidates, rows, strategy, 0.5, seed)
    picked = [row.index for row in sample.rows]
    strata = make_strata(right[picked].astype(float).tolist(), [row.stratum for row in sample.rows], sample.population)
    found = estimate_share(strata, seed)
    return bool(found.low <= chance.mean() <= found.high)


@dataclass(frozen=True)
class Dimension:
    """How a model behaves on a dimension: log-odds of being right, how much they vary between rows, how far its stated
    confidence follows them (0: not at all), and what it states: mean, spread and the step it is rounded to."""

    level: float
    spread: float
    tells: float
    stated: tuple[float, float, float]


#: Right in 60 to 96 % of the rows, by turns overconfident, honest and always the same .97; one says nothing.
DIFFERENT = (
    Dimension(0.5, 1.0, 0.0, (0.85, 0.06, 0.05)), Dimension(0.9, 1.2, 0.5, (0.90, 0.05, 0.02)),
    Dimension(1.2, 0.8, 0.3, (0.80, 0.10, 0.05)), Dimension(1.5, 1.0, 0.6, (0.93, 0.03, 0.01)),
    Dimension(1.8, 1.2, 0.7, (0.90, 0.06, 0.05)), Dimension(2.2, 1.0, 0.4, (0.95, 0.02, 0.01)),
    Dimension(2.6, 1.5, 0.8, (0.88, 0.08, 0.02)), Dimension(3.0, 1.0, 0.6, (0.96, 0.02, 0.01)),
    Dimension(3.5, 1.0, 0.7, (0.97, 0.02, 0.01)),
)  # fmt: skip
#: Right in 70 to 87 %, all overconfident in the same way.
ALIKE = tuple(Dimension(1.0 + 0.15 * i, 1.0, 0.5, (0.90, 0.05, 0.02)) for i in range(9))
MODELS = {"different": DIFFERENT, "alike": ALIKE}
FRESH = 20_000


def draw_outcomes(
    model: tuple[Dimension, ...], rows: int, rng: np.random.Generator
) -> tuple[list[Outcomes], list[NDArray[np.float64]]]:
    """Per dimension a model's answers to the same rows, each with its chance to be right; hard rows are hard in all."""
    hard = rng.normal(size=rows)
    found, chances = [], []
    for number, one in enumerate(model):
        latent = np.sqrt(0.5) * (hard + rng.normal(size=rows))
        chance = 1 / (1 + np.exp(-(one.level + one.spread * latent)))
        told = one.tells * latent + np.sqrt(1 - one.tells**2) * rng.normal(size=rows)
        mean, spread, step = one.stated
        stated = np.round(np.clip(mean + spread * told, 0.5, 0.99) / step) * step
        right = (rng.random(rows) < chance).astype(float)
        found.append(Outcomes(f"d{number}", stated, right, np.ones(rows), np.arange(rows)))
        chances.append(chance)
    return found, chances


@dataclass(frozen=True)
class Honesty:
    """Calibration error on held-out rows: mean over the dimensions, the worst of them, and of all answers together."""

    mean: float
    worst: float
    together: float


def honesty(confidence: list[NDArray[np.float64]], chances: list[NDArray[np.float64]]) -> Honesty:
    ones = np.ones(sum(map(len, chances)))
    each = [calibration_error(c, p, ones[: len(c)]) for c, p in zip(confidence, chances, strict=True)]
    together = calibration_error(np.concatenate(confidence), np.concatenate(chances), ones)
    return Honesty(float(np.mean(each)), max(each), together)


@dataclass(frozen=True)
class Trial:
    """One simulated run: honesty as stated, with every dimension calibrated alone, and together; per target and
    dimension whether the threshold's promise holds on held-out rows (None: no threshold was given)."""

    stated: Honesty
    alone: Honesty
    together: Honesty
    kept: dict[float, list[bool | None]]


TARGETS = (0.8, 0.9, 0.95)


def try_calibration(model: tuple[Dimension, ...], rows: int, seed: int) -> Trial:
    rng = np.random.default_rng(seed)
    outcomes, _ = draw_outcomes(model, rows, rng)
    fresh, chances = draw_outcomes(model, FRESH, rng)
    made = calibrate_run(outcomes, Promise(), seed)
    alone = [calibrate_run([one], Promise(), seed) for one in outcomes]
    kept = {}
    for target in TARGETS:
        promised = [find_threshold(one, Promise(target))[0] for one in outcomes]
        kept[target] = [
            None if least is None else bool(chance[one.confidence >= least].mean() >= target)
            for least, one, chance in zip(promised, fresh, chances, strict=True)
        ]
    return Trial(
        honesty([one.confidence for one in fresh], chances),
        honesty([_mapped(made, one) for one, made in zip(fresh, alone, strict=True)], chances),
        honesty([_mapped(made, one) for one in fresh], chances),
        kept,
    )


def _mapped(made: Calibrated, one: Outcomes) -> NDArray[np.float64]:
    return apply_map(made.dimensions[one.dimension], one.confidence)


def show(*cells: object) -> None:
    print(
        "| " + " | ".join(f"{cell:.1%}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True
    )


def show_intervals(count: int) -> None:
    show("rows", "labels right", "reviewers err", "judged twice", "accuracy in its interval", "error in its interval")
    show(*["---:"] * 6)
    for rows in SIZES:
        for case in CASES:
            inside = np.mean([judged_interval(rows, case, seed) for seed in range(count)], axis=0)
            show(rows, str(case.accuracy), str(case.error), str(case.overlap), float(inside[0]), float(inside[1]))
    print()
    show("strategy", *(f"{rows} rows of {rows * 5}" for rows in SIZES))
    show("---", *["---:"] * len(SIZES))
    for strategy in STRATEGIES:
        found = [np.mean([sampled_interval(rows, strategy, seed) for seed in range(count)]) for rows in SIZES]
        show(strategy, *map(float, found))


def show_calibration(count: int) -> None:
    for name, model in MODELS.items():
        for rows in SIZES:
            trials = [try_calibration(model, rows, seed) for seed in range(count)]
            print(f"\nnine dimensions, {name}; {rows} rows\n")
            show("ECE", "mean of the dimensions", "worst dimension", "all answers together")
            show("---", *["---:"] * 3)
            for what in ("stated", "alone", "together"):
                mean = [np.mean([getattr(getattr(t, what), part) for t in trials]) for part in _PARTS]
                show(what, *(f"{value:.3f}" for value in mean))
            print()
            show("target", "threshold given", "promise broken", "worst dimension")
            show(*["---:"] * 4)
            for target in TARGETS:
                kept = np.array([[1.0 if k is None else float(k) for k in t.kept[target]] for t in trials])
                given = np.mean([k is not None for t in trials for k in t.kept[target]])
                show(str(target), float(given), float((1 - kept).mean()), float((1 - kept).mean(axis=0).max()))


_PARTS = ("mean", "worst", "together")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    wanted = sys.argv[2:] or ["intervals", "calibration"]
    print(f"{count} simulations each\n")
    if "intervals" in wanted:
        show_intervals(count)
    if "calibration" in wanted:
        show_calibration(count)


if __name__ == "__main__":
    main()
