"""Estimates from judged samples: coverage of the intervals, weights, correction for reviewers, consensus."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rayjob.labels.agreement import code_answers
from rayjob.labels.agreement_accuracy import (
    Doubled,
    Stratum,
    correct_for_reviewers,
    effective_rows,
    estimate_share,
    make_strata,
    uncovered,
    wilson_interval,
)
from rayjob.labels.agreement_consensus import find_consensus


def test_strata_are_weighted_by_their_size_in_the_run():
    population = {"rare": 10, "common": 90}
    strata = make_strata([1, 1, 0, 0], ["rare", "rare", "common", "common"], population)
    assert strata == [Stratum(0.9, 2, 0.0), Stratum(0.1, 2, 2.0)]
    assert estimate_share(strata).value == pytest.approx(0.1)


def test_a_stratum_nobody_judged_is_said_to_be_uncovered():
    population = {"a": 30, "b": 70}
    assert uncovered(["a"], population) == pytest.approx(0.7)
    assert make_strata([1.0], ["a"], population) == [Stratum(1.0, 1, 1.0)]


def test_one_stratum_has_jeffreys_interval():
    found = estimate_share([Stratum(1.0, 100, 90)])
    assert (found.low, found.high) == (pytest.approx(0.829, abs=0.004), pytest.approx(0.947, abs=0.004))
    assert estimate_share([Stratum(1.0, 20, 20)]).high == 1.0
    assert math.isnan(estimate_share([]).value)


def test_intervals_of_a_stratified_sample_hold_the_truth_as_often_as_stated():
    rng, weights, shares = np.random.default_rng(0), (0.7, 0.2, 0.1), (0.9, 0.7, 0.5)
    truth = sum(w * p for w, p in zip(weights, shares, strict=True))
    hits = 0
    for seed in range(400):
        strata = [Stratum(w, 36, rng.binomial(36, p)) for w, p in zip(weights, shares, strict=True)]
        found = estimate_share(strata, seed)
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_wilson_interval_of_a_known_case():
    found = wilson_interval(8, 10)
    assert (round(found.low, 3), round(found.high, 3)) == (0.490, 0.943)
    assert math.isnan(wilson_interval(0, 0).value)
    assert effective_rows(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)


def test_correction_gives_back_the_rates_it_was_simulated_with():
    # 1,000,000 rows' expected counts: labels right in 80 %, reviewers wrong in 10 %, five tags.
    a, e, other = 0.8, 0.1, 0.25
    right, wrong = a, 1 - a
    both = right * (1 - e) ** 2 + wrong * (e * other) ** 2
    one = 2 * (right * (1 - e) * e + wrong * e * other * (1 - e * other))
    same = right * e**2 * other + wrong * ((1 - e) ** 2 + 3 * (e * other) ** 2)
    counts = [round(1e6 * share) for share in (both, one, same, 1 - both - one - same)]
    accuracy, error = correct_for_reviewers([Doubled(1.0, 0, 0, *counts)], tags=5)
    assert accuracy.value == pytest.approx(a, abs=1e-3)
    assert error.value == pytest.approx(e, abs=1e-3)
    assert accuracy.low < a < accuracy.high


def test_without_a_row_judged_twice_nothing_can_be_corrected():
    accuracy, error = correct_for_reviewers([Doubled(1.0, 8, 2)], tags=5)
    assert math.isnan(accuracy.value)
    assert math.isnan(error.value)


def simulate(accuracies: tuple[float, ...], rows: int = 400) -> tuple[np.ndarray, list[list[tuple[str, ...]]]]:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, rows)
    sides = []
    for accuracy in accuracies:
        wrong = (truth + rng.integers(1, 4, rows)) % 4
        said = np.where(rng.random(rows) < accuracy, truth, wrong)
        sides.append([("abcd"[value],) for value in said])
    return truth, sides


def test_consensus_learns_whom_to_trust():
    truth, sides = simulate((0.95, 0.6, 0.6))
    found = find_consensus(code_answers("d", False, sides))
    assert found.reliability == pytest.approx([0.95, 0.6, 0.6], abs=0.06)
    right = found.members.argmax(axis=1) == truth
    vote = np.mean(
        [max("abcd", key=[side[i][0] for side in sides].count) == "abcd"[truth[i]] for i in range(len(truth))]
    )
    assert right.mean() > vote + 0.03
    sure = found.probability >= 0.95
    assert right[sure].mean() >= 0.93


def test_consensus_of_sets_takes_each_tag_for_itself():
    rng = np.random.default_rng(1)
    truth = rng.random((500, 6)) < 0.2
    sides = []
    for hit, alarm in ((0.95, 0.01), (0.8, 0.02), (0.7, 0.1)):
        said = np.where(truth, rng.random(truth.shape) < hit, rng.random(truth.shape) < alarm)
        sides.append([tuple("abcdef"[i] for i in np.flatnonzero(row)) for row in said])
    coded = code_answers("d", True, sides)
    found = find_consensus(coded)
    exact = (found.members == truth).all(axis=1)
    alone = (coded.members[0] == truth).all(axis=1)
    assert exact.mean() >= alone.mean()
    assert exact[found.probability > 0.95].mean() > 0.93
    assert list(np.argsort(-found.reliability)) == [0, 1, 2]


def test_a_row_nobody_answers_has_no_consensus():
    found = find_consensus(code_answers("d", False, [[("a",), None], [("a",), None], [("b",), None]]))
    assert found.probability[1] == 0
    assert not found.members[1].any()
