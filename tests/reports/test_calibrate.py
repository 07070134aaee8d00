"""Fitting confidence to accuracy: errors shrink, order stays, thresholds keep their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from rayjob.reports.calibrate import (
    Promise,
    auroc,
    calibrate_run,
    calibration_error,
    find_threshold,
    reliability,
)
from rayjob.reports.confidence_maps import ALONE, Outcomes, apply_map, fit_map
from rayjob.reports.confidence_pool import pool_dimensions
from rayjob.spec.quality import DimensionCalibration


def outcomes(rows: int, seed: int = 0) -> tuple[Outcomes, np.ndarray]:
    """A model that states too much, in steps of .05; and the true chance that each answer is right."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(4, 1.5, rows)
    stated = np.round(np.clip(0.6 + 0.4 * chance + rng.normal(0, 0.03, rows), 0.5, 1) / 0.05) * 0.05
    right = (rng.random(rows) < chance).astype(float)
    return Outcomes("intent", stated, right, np.ones(rows), np.arange(rows)), chance


def of(confidence: list[float], right: list[float]) -> Outcomes:
    return Outcomes("d", np.array(confidence), np.array(right), np.ones(len(right)), np.arange(len(right)))


def calibrate_one(one: Outcomes, promise: Promise) -> DimensionCalibration:
    [fitted] = calibrate_run([one], promise).dimensions.values()
    return fitted


def test_calibration_error_of_a_hand_computed_case():
    one = of([0.9] * 10 + [0.6] * 10, [1.0] * 7 + [0.0] * 3 + [1.0] * 6 + [0.0] * 4)
    assert calibration_error(one.confidence, one.right, one.weights) == pytest.approx(0.1)
    curve = reliability(one.confidence, one.right, one.weights)
    assert [(bin.confidence, bin.accuracy, bin.share) for bin in curve] == [
        (pytest.approx(0.6), 0.6, 0.5), (pytest.approx(0.9), 0.7, 0.5),
    ]  # fmt: skip


def test_a_fit_makes_held_out_confidence_honest():
    fitted = calibrate_one(outcomes(5000)[0], Promise())
    fresh, chance = outcomes(20_000, seed=1)
    before = calibration_error(fresh.confidence, chance, fresh.weights)
    after = calibration_error(apply_map(fitted, fresh.confidence), chance, fresh.weights)
    assert before > 0.1
    assert after < 0.03


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.booleans()), min_size=2, max_size=40))
def test_maps_keep_the_order_of_rows(rows):
    one = of([c for c, _ in rows], [float(r) for _, r in rows])
    distinct = np.unique(one.confidence)
    for method in ("isotonic", "logistic"):
        mapped = apply_map(fit_map(method, one), distinct)
        assert ((mapped >= 0) & (mapped <= 1)).all()
        assert (np.diff(mapped) > 0).all()


def test_the_error_after_is_cross_validated_and_confidence_that_says_nothing_is_known():
    rng = np.random.default_rng(2)
    noise = of(rng.random(1000).tolist(), (rng.random(1000) < 0.7).astype(float).tolist())
    fitted = calibrate_one(noise, Promise(0.9))
    assert fitted.auroc == pytest.approx(0.5, abs=0.05)
    assert fitted.threshold is None
    assert fitted.ece_before > 0.2
    assert fitted.ece_after < 0.08  # ten bins of a hundred rows each are off by .037 in the mean by chance alone


def test_auroc_is_scikit_learns():
    one, _ = outcomes(300)
    assert auroc(one) == pytest.approx(roc_auc_score(one.right, one.confidence))


def test_thresholds_keep_their_promise_on_held_out_rows():
    fresh, chance = outcomes(20_000, seed=99)
    given, broken = 0, 0
    for seed in range(60):
        fitted = calibrate_one(outcomes(2000, seed)[0], Promise(0.85))
        if fitted.threshold is not None:
            above = apply_map(fitted, fresh.confidence) >= fitted.threshold
            given += 1
            broken += chance[above].mean() < 0.85
    assert given > 40
    assert broken <= 6  # 5 % of 60 is 3; more than 6 has a chance of 3 %


def test_the_share_above_is_of_the_rows_at_or_above_the_threshold():
    one, _ = outcomes(3000)
    fitted = calibrate_one(one, Promise(0.85))
    above = apply_map(fitted, one.confidence) >= fitted.threshold
    assert above.mean() == pytest.approx(fitted.above)


@pytest.mark.parametrize(("rows", "found"), [(59, False), (200, True)])
def test_a_promise_needs_enough_rows_that_are_right(rows, found):
    one = of(list(np.linspace(0.5, 1, rows)), [1.0] * rows)
    raw, above = find_threshold(one, Promise(0.95))
    assert (raw is not None) is found
    assert above == (1.0 if found else 0.0)


@pytest.mark.parametrize(
    ("right", "threshold"), [([1.0] * 100, 0.0), ([1.0] * 50, None), ([0.0] * 100, None), ([1.0, 0.0] * 10, None)]
)
def test_too_few_or_one_sided_rows_are_left_as_stated(right, threshold):
    fitted = calibrate_one(of(list(np.linspace(0, 1, len(right))), right), Promise())
    assert (fitted.method, fitted.threshold) == ("none", threshold)


def test_a_threshold_is_not_given_where_nothing_above_it_is_right():
    one = of([0.9] * 100 + [0.5] * 100, [0.0] * 100 + [1.0] * 100)
    assert find_threshold(one, Promise(0.6)) == (None, 0.0)


def nine(rows: int, seed: int, levels: np.ndarray) -> tuple[list[Outcomes], list[np.ndarray]]:
    """Nine dimensions over the same rows, right at these log-odds in the mean; and each answer's chance."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=rows)
    found, chances = [], []
    for number, level in enumerate(levels):
        own = rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-(level + 0.7 * hard + 0.7 * own)))
        stated = np.round(np.clip(0.88 + 0.05 * own, 0.5, 0.99), 2)
        right = (rng.random(rows) < chance).astype(float)
        found.append(Outcomes(f"d{number}", stated, right, np.ones(rows), np.arange(rows)))
        chances.append(chance)
    return found, chances


def test_dimensions_that_behave_alike_learn_from_each_other():
    alone, together = [], []
    for seed in range(8):
        found, _ = nine(108, seed, np.linspace(1.2, 2.0, 9))
        fresh, chances = nine(4000, seed + 100, np.linspace(1.2, 2.0, 9))
        for lean, errors in ((ALONE, alone), (pool_dimensions(found), together)):
            for one, new, chance in zip(found, fresh, chances, strict=True):
                after = apply_map(fit_map("logistic", one, lean), new.confidence)
                errors.append(calibration_error(after, chance, new.weights))
    assert np.mean(together) < np.mean(alone) - 0.002


def test_dimensions_that_do_not_are_left_to_their_own_rows():
    found, _ = nine(2000, 0, np.linspace(-1, 3, 9))
    lean = pool_dimensions(found)
    assert lean.variance[1] > 0.8
    for one in found:
        mapped = apply_map(fit_map("logistic", one, lean), one.confidence)
        assert mapped.mean() == pytest.approx(one.right.mean(), abs=0.01)


def test_one_dimension_or_none_has_nobody_to_learn_from():
    assert pool_dimensions([]) == pool_dimensions([outcomes(100)[0]]) == ALONE


def test_a_run_of_nine_dimensions_is_honest_over_all_its_answers_from_108_rows():
    levels = np.linspace(0.5, 3.0, 9)
    errors = []
    for seed in range(5):
        found, _ = nine(108, seed, levels)
        made = calibrate_run(found, Promise())
        fresh, chances = nine(4000, seed + 100, levels)
        after = np.concatenate([apply_map(made.dimensions[one.dimension], one.confidence) for one in fresh])
        errors.append(calibration_error(after, np.concatenate(chances), np.ones(len(after))))
        assert made.ece_after < made.ece_before
    assert np.mean(errors) < 0.03


def test_pooling_moves_maps_but_no_threshold():
    found, _ = nine(2000, 3, np.linspace(1, 3, 9))
    pooled = calibrate_run(found, Promise(0.8)).dimensions
    for one in found:
        raw, above = find_threshold(one, Promise(0.8))
        fitted = pooled[one.dimension]
        assert fitted.above == above
        assert (fitted.threshold is None) is (raw is None)
        if raw is not None:
            assert ((apply_map(fitted, one.confidence) >= fitted.threshold) == (one.confidence >= raw)).all()
