import numpy as np
import pytest

from rayjob.vectors.density import dbcv


def test_the_value_that_another_implementation_publishes():
    """scikit-learn's moons; the figure stands in the README of FelSiq/DBCV, which agrees with the authors' MATLAB."""
    from sklearn.datasets import make_moons

    rows, labels = make_moons(n_samples=300, noise=0.05, random_state=1782)
    assert dbcv(rows, labels.astype(np.int32)) == pytest.approx(0.8545358723390613, abs=1e-6)


def test_three_points_a_line_by_hand():
    """Core distances of (0, 1, 3) squared in one dimension, worked out by hand, and the gap to the same far away."""
    rows = np.array([[0.0], [1.0], [3.0], [100.0], [101.0], [103.0]])
    core = {0: 2 / (1 / 1 + 1 / 9), 1: 2 / (1 / 1 + 1 / 4), 3: 2 / (1 / 9 + 1 / 4)}
    edges = sorted([max(1, core[0], core[1]), max(4, core[1], core[3])])
    gap = max(100.0**2, core[1])  # the one inner node of each tree is its middle: 1 and 101
    expected = (gap - edges[-1]) / gap
    assert dbcv(rows, np.array([0, 0, 0, 1, 1, 1], np.int32)) == pytest.approx(expected)


def test_a_wrong_cut_is_worse_and_noise_takes_off():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.1, (40, 3)), rng.normal(3, 0.1, (40, 3))])
    right = np.repeat([0, 1], 40).astype(np.int32)
    wrong = (np.arange(80) % 2).astype(np.int32)
    some = np.where(np.arange(80) % 10 == 0, -1, right).astype(np.int32)
    assert dbcv(rows, right) > 0.8
    assert dbcv(rows, wrong) < -0.3
    assert 0 < dbcv(rows, some) < dbcv(rows, right)


@pytest.mark.parametrize("labels", [[0] * 6, [-1] * 6, [0, 0, 0, 1, 1, -1]])
def test_fewer_than_two_clusters_of_three_rows_say_nothing(labels):
    assert np.isnan(dbcv(np.arange(12.0).reshape(6, 2), np.array(labels, np.int32)))


def test_copies_and_wide_vectors_stay_finite():
    rows = np.repeat(np.eye(4, 384, dtype=np.float32), 5, axis=0)
    assert dbcv(rows, np.repeat(np.arange(4), 5).astype(np.int32)) == pytest.approx(1.0)
    assert np.isfinite(dbcv(np.ones((12, 384), np.float32), np.repeat([0, 1], 6).astype(np.int32)))
