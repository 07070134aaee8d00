import numpy as np
import pytest

from rayjob.vectors.audit import Promise, allowed_errors, find_threshold, lower_bound, upper_bound


@pytest.mark.parametrize(
    ("right", "total", "low"), [(59, 59, 0.9505), (58, 58, 0.9497), (92, 93, 0.9500), (0, 10, 0.0), (10, 10, 0.7411)]
)
def test_the_bound_is_clopper_pearsons(right, total, low):
    assert lower_bound(right, total, 0.05) == pytest.approx(low, abs=1e-4)
    assert upper_bound(total - right, total, 0.05) == pytest.approx(1 - low, abs=1e-4)


def test_too_small_an_audit_accepts_nothing_and_says_what_is_needed():
    found = find_threshold(np.ones(58), np.ones(58, bool), Promise())
    assert found.value is None
    assert "58 audit rows" in found.reason
    assert "at least 59" in found.reason


def test_a_perfect_audit_accepts_down_to_its_last_row():
    confidence = np.linspace(1, 0.2, 100)
    found = find_threshold(confidence, np.ones(100, bool), Promise())
    assert found.value == pytest.approx(0.2)
    assert (found.accepted, found.right, found.precision) == (100, 100, 1.0)


def test_it_stops_where_errors_begin():
    confidence = np.linspace(1, 0, 400)
    found = find_threshold(confidence, confidence > 0.25, Promise())
    assert found.value is not None
    assert 0.2 < found.value < 0.27
    assert found.low >= 0.95


def test_errors_among_the_most_confident_accept_nothing():
    right = np.ones(300, bool)
    right[:30] = False
    found = find_threshold(np.linspace(1, 0, 300), right, Promise())
    assert found.value is None
    assert "right: the precision may be as low as" in found.reason


def test_equal_confidences_are_accepted_together():
    found = find_threshold(np.full(80, 0.7), np.ones(80, bool), Promise())
    assert found.accepted == 80
    mixed = find_threshold(np.full(80, 0.7), np.arange(80) > 10, Promise())
    assert mixed.value is None


def test_the_promise_is_kept_in_at_least_95_of_100_runs():
    """The error rate rises as confidence falls: 1 % at the top, 40 % at the bottom; the true precision is known."""
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 1, 4001)
    error = 0.01 + 0.39 * grid**3
    precision = 1 - np.cumsum(error) / np.arange(1, len(error) + 1)
    broken = 0
    for _ in range(400):
        rank = np.sort(rng.random(250))
        right = rng.random(250) > 0.01 + 0.39 * rank**3
        found = find_threshold(1 - rank, right, Promise())
        if found.value is not None:
            broken += precision[round((1 - found.value) * 4000)] < 0.95
    assert broken <= 0.05 * 400


def test_the_promise_is_kept_where_every_row_fails_a_little_too_often():
    """The hardest case: 6 % errors at every confidence, so that any acceptance breaks the promise."""
    rng = np.random.default_rng(1)
    broken = sum(
        find_threshold(rng.random(200), rng.random(200) > 0.06, Promise()).value is not None for _ in range(400)
    )
    assert broken <= 0.05 * 400


@pytest.mark.parametrize(("total", "wrong"), [(58, -1), (59, 0), (92, 0), (93, 1), (124, 2), (153, 3)])
def test_how_many_errors_an_audit_forgives(total, wrong):
    assert allowed_errors(total, Promise()) == wrong


def test_the_first_threshold_tried_forgives_an_error_where_it_can():
    right = np.ones(200, bool)
    right[40] = False
    assert find_threshold(np.linspace(1, 0, 200), right, Promise()).accepted == 200


@pytest.mark.parametrize(
    ("right", "promise", "said"),
    [
        (10 * [True], Promise(0.995, 0.001), "a precision of 99.5% at a risk of 0.1%"),
        (10 * [True], Promise(), "a precision of 95% at a risk of 5%"),
        # 97.917 %: rounded to whole percents, both were 98 %
        (298 * [True] + 2 * [False], Promise(0.9794, 0.05), "as low as 97.91%, short of 97.94%"),
    ],
)
def test_a_promise_is_told_in_the_digits_it_was_made_in(right, promise, said):
    assert said in find_threshold(np.full(len(right), 0.9), np.array(right), promise).reason
