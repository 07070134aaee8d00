"""Simulated reviewers and models with known error rates: do intervals, thresholds and calibration keep their word?

Run: python benchmarks/review_simulation.py [simulations]. 400 take about three minutes on one core.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement_accuracy import estimate_share, make_strata
from rayjob.reports.accuracy import score_against_reviewers
from rayjob.reports.calibrate import (
    Outcomes,
    Promise,
    apply_map,
    calibrate_dimension,
    calibration_error,
)
from rayjob.reports.gold import Judged
from rayjob.reports.labelled import build_labelled
from rayjob.review.sample import Candidate, pick_rows

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


def sampled_interval(rows: int, seed: int) -> bool:
    """A review of targeted, rare and random rows of a larger run: does the weighted interval hold the run's rate?"""
    rng = np.random.default_rng(seed)
    population = rows * 5
    confidence = rng.beta(8, 2, population)
    rare = rng.random(population) < 0.1
    chance = np.where(rare, 0.6, 0.75 + 0.2 * confidence)
    right = rng.random(population) < chance
    candidates = [
        Candidate(i, float(confidence[i]), stratum="rare" if rare[i] else "common") for i in range(population)
    ]
    strategy = ("lowest_confidence", "per_stratum", "random")[seed % 3]
    sample = pick_rows(candidates, rows, strategy, 0.5, seed)
    picked = [row.index for row in sample.rows]
    strata = make_strata(right[picked].astype(float).tolist(), [row.stratum for row in sample.rows], sample.population)
    found = estimate_share(strata, seed)
    return found.low <= chance.mean() <= found.high


def draw_outcomes(rows: int, rng: np.random.Generator) -> tuple[Outcomes, NDArray[np.float64]]:
    """A model whose stated confidence is inflated, coarse and noisy, and the chance that each answer is right."""
    chance = np.clip(rng.beta(5, 1.3, rows), 0.02, 0.995)
    stated = np.clip(0.65 + 0.33 * chance + rng.normal(0, 0.03, rows), 0.5, 0.99)
    stated = np.round(stated / 0.02) * 0.02
    right = (rng.random(rows) < chance).astype(float)
    return Outcomes("intent", stated, right, np.ones(rows)), chance


def calibrated(rows: int, target: float, seed: int) -> tuple[bool | None, float, float]:
    """(the threshold's promise held on held-out rows or none was given, held-out ECE as stated, and calibrated)."""
    rng = np.random.default_rng(seed)
    outcomes, _ = draw_outcomes(rows, rng)
    fitted = calibrate_dimension(outcomes, Promise(target), seed)
    fresh, chance = draw_outcomes(20_000, rng)
    after = apply_map(fitted, fresh.confidence)
    kept = None
    if fitted.threshold is not None:
        above = after >= fitted.threshold
        kept = bool(chance[above].mean() >= target)
    ones = np.ones(len(after))
    return kept, calibration_error(fresh.confidence, chance, ones), calibration_error(after, chance, ones)


def show(*cells: object) -> None:
    print(
        "| " + " | ".join(f"{cell:.1%}" if isinstance(cell, float) else str(cell) for cell in cells) + " |", flush=True
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"{count} simulations each\n")
    show("rows", "labels right", "reviewers err", "judged twice", "accuracy in its interval", "error in its interval")
    show(*["---:"] * 6)
    for rows in SIZES:
        for case in CASES:
            inside = np.mean([judged_interval(rows, case, seed) for seed in range(count)], axis=0)
            show(rows, str(case.accuracy), str(case.error), str(case.overlap), float(inside[0]), float(inside[1]))
    print()
    show("rows reviewed, of 5 times as many", "weighted estimate in its interval")
    show("---:", "---:")
    for rows in SIZES:
        show(rows, float(np.mean([sampled_interval(rows, seed) for seed in range(count)])))
    print()
    show("rows", "target", "threshold given", "promise broken", "ECE as stated", "ECE calibrated")
    show(*["---:"] * 6)
    for rows in SIZES:
        for target in (0.8, 0.85, 0.9):
            found = [calibrated(rows, target, seed) for seed in range(count)]
            given = [kept for kept, _, _ in found if kept is not None]
            before, after = np.mean([errors for _, *errors in found], axis=0)
            show(rows, str(target), len(given) / count, given.count(False) / count, f"{before:.3f}", f"{after:.3f}")


if __name__ == "__main__":
    main()
