"""Votes weighted by reliability that no gold answer was needed for; and how predictions are scored."""

from __future__ import annotations

import numpy as np
import pytest

from rayjob.choice.scores import bootstrap, calibration_error, fit_temperature, score
from rayjob.choice.siblings import Vote, estimate_reliability, fit_weights, sibling_evidence


def test_reliable_sources_are_found_by_agreement_alone() -> None:
    rng = np.random.default_rng(0)
    rates = {"good": 0.9, "fair": 0.7, "poor": 0.4, "third": 0.8}
    votes = [
        Vote(f"q{n}", name, "right" if rng.random() < rate else f"wrong{rng.integers(4)}")
        for n in range(400)
        for name, rate in rates.items()
    ]
    found = estimate_reliability(votes)
    assert sorted(found, key=lambda name: found[name]) == sorted(rates, key=lambda name: rates[name])
    assert found == estimate_reliability(votes)


def test_siblings_agree_by_value_not_by_spelling() -> None:
    evidence = sibling_evidence(["$70,000", "65000"], ["70000", "70,000", "65000.0", "1"])
    assert evidence[0] > evidence[1] > 0
    assert sibling_evidence(["1", "2"], []) == [0.0, 0.0]


def test_the_joint_weights_follow_the_evidence() -> None:
    rng = np.random.default_rng(0)
    weak, strong = rng.normal(0.1, 1, 2000), rng.normal(2, 1, 2000)
    own, others = fit_weights(weak, strong)
    assert others > 5 * abs(own)


def test_a_temperature_calibrates_and_keeps_the_mirror() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20000)
    winner_first = np.where(rng.random(20000) < 1 / (1 + np.exp(-true)), true, -true)
    temperature = fit_temperature(3 * winner_first)
    assert temperature == pytest.approx(3, rel=0.1)
    assert calibration_error(3 * winner_first / temperature) < 0.02 < calibration_error(3 * winner_first)


def test_scores_resample_questions_and_control_length() -> None:
    logits = np.array([2.0, 1.0, -1.0, 0.0])
    found = score(logits, ["a", "a", "b", "b"], np.array([5.0, 4.0, 3.0, -1.0]))
    assert found.accuracy.value == pytest.approx(0.625)
    assert (found.accuracy.low, found.accuracy.high) == (0.25, 1.0)
    assert found.confident_half.value == 1.0
    assert found.length_controlled.value == pytest.approx((2 / 3 + 0.5) / 2)
    assert bootstrap(np.array([1.0]), ["a"]).low == 1.0
