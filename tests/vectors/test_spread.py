import numpy as np
import pytest

from rayjob.vectors.audit import Promise
from rayjob.vectors.check import SpreadError
from rayjob.vectors.propagate import Settings
from rayjob.vectors.spread import Plan, spread
from tests.vectors.clouds import make_clouds


def precision(clouds, done):
    right = np.array(done.propagator.labels(done.prediction)) == clouds.truth
    return right[done.accepted].mean()


@pytest.mark.parametrize("rounds", [1, 3])
def test_few_labels_reach_most_rows_and_keep_the_promise(rounds):
    clouds = make_clouds(2000, classes=10)
    done = spread(clouds.vectors, clouds.ask, Plan(budget=0.1, rounds=rounds))
    rest = 2000 - len(done.bought.rows)
    assert len(set(done.bought.rows.tolist())) == 200
    assert done.bought.is_audit.sum() == 100
    assert done.accepted.sum() > 0.9 * rest
    assert precision(clouds, done) >= 0.95
    assert not done.accepted[done.bought.rows].any()
    assert len(done.curve) == rounds
    assert done.curve[-1].accepted_share == pytest.approx(done.accepted.sum() / rest)


def test_overlapping_clouds_are_accepted_only_in_part():
    clouds = make_clouds(3000, classes=6, noise=1.3)
    done = spread(clouds.vectors, clouds.ask, Plan(budget=0.2))
    right = np.array(done.propagator.labels(done.prediction)) == clouds.truth
    assert right.mean() < 0.95
    assert 0 < done.accepted.mean() < 0.8
    assert precision(clouds, done) >= 0.95


def test_the_same_seed_gives_the_same_labels_another_seed_another_audit():
    clouds = make_clouds(400)
    first, again, other = (spread(clouds.vectors, clouds.ask, Plan(budget=160, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.bought.rows, again.bought.rows)
    assert np.array_equal(first.prediction.scores, again.prediction.scores)
    assert not np.array_equal(first.bought.rows, other.bought.rows)


def test_labels_without_any_relation_to_the_vectors_are_never_accepted():
    clouds = make_clouds(800)
    rng = np.random.default_rng(0)
    noise = [f"tag{name}" for name in rng.integers(5, size=800)]
    done = spread(clouds.vectors, lambda rows: [noise[row] for row in rows], Plan(budget=200))
    assert done.threshold.value is None
    assert done.accepted.sum() == 0
    assert "raise the budget" in done.threshold.reason


def test_all_texts_equal_with_two_labels_accepts_nothing():
    done = spread(
        np.ones((300, 8), np.float32), lambda rows: ["a" if row % 2 else "b" for row in rows], Plan(budget=200)
    )
    assert done.accepted.sum() == 0


def test_one_class_is_spread_to_all():
    clouds = make_clouds(300)
    done = spread(clouds.vectors, lambda rows: ["only"] * len(rows), Plan(budget=150))
    assert done.accepted.sum() == 150


def test_a_class_with_one_member_breaks_nothing():
    clouds = make_clouds(1000)
    clouds.truth[7] = "alone"
    done = spread(clouds.vectors, clouds.ask, Plan(budget=400, rounds=2))
    assert done.accepted.sum() > 500
    assert precision(clouds, done) >= 0.95


def test_a_budget_beyond_the_table_buys_every_row():
    clouds = make_clouds(80)
    done = spread(clouds.vectors, clouds.ask, Plan(budget=1000))
    assert sorted(done.bought.rows) == list(range(80))
    assert done.accepted.sum() == 0


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_an_audit_too_small_to_say_anything_accepts_nothing(share):
    clouds = make_clouds(500)
    done = spread(clouds.vectors, clouds.ask, Plan(budget=50, audit_share=share))
    assert done.accepted.sum() == 0
    assert "at least 59 are needed" in done.threshold.reason


def test_a_weaker_promise_needs_fewer_audits():
    clouds = make_clouds(500)
    plan = Plan(budget=50, promise=Promise(0.8, 0.1), settings=Settings(method="trust"))
    assert spread(clouds.vectors, clouds.ask, plan).accepted.sum() > 300


def test_an_audit_alone_is_enough():
    clouds = make_clouds(500)
    done = spread(clouds.vectors, clouds.ask, Plan(budget=100, audit_share=1.0))
    assert done.accepted.sum() > 350


def test_broken_vectors_are_named():
    vectors = make_clouds(50).vectors
    vectors[[4, 17]] = np.nan
    vectors[30, 0] = np.inf
    with pytest.raises(SpreadError, match=r"3 of 50 vectors hold NaN or infinity.*rows 4, 17, 30") as caught:
        spread(vectors, lambda rows: ["a"] * len(rows), Plan())
    assert caught.value.rows == (4, 17, 30)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [(np.empty((0, 8)), "no rows"), (np.empty((8, 0)), "d > 0 columns"), (np.zeros(8), "matrix of n rows")],
)
def test_what_is_no_table_of_vectors_is_refused(vectors, message):
    with pytest.raises(SpreadError, match=message):
        spread(vectors, lambda rows: [], Plan())


def test_labels_that_do_not_come_back_are_noticed():
    clouds = make_clouds(100)
    with pytest.raises(SpreadError, match="10 rows were asked about, 3 labels came back"):
        spread(clouds.vectors, lambda rows: ["a", "b", "c"], Plan(budget=10))


def test_several_tags_a_row():
    clouds = make_clouds(1500, classes=6)
    sets = {"tag0": ["x"], "tag1": ["x", "y"], "tag2": ["y"], "tag3": [], "tag4": ["z"], "tag5": ["x", "z"]}
    done = spread(clouds.vectors, lambda rows: [sets[clouds.truth[row]] for row in rows], Plan(budget=250))
    found = done.propagator.labels(done.prediction)
    right = np.array([tags == sets[name] for tags, name in zip(found, clouds.truth, strict=True)])
    assert done.accepted.sum() > 800
    assert right[done.accepted].mean() >= 0.95


def test_half_precision_vectors_will_do():
    clouds = make_clouds(400)
    done = spread(clouds.vectors.astype(np.float16), clouds.ask, Plan(budget=150))
    assert done.accepted.sum() > 200


@pytest.mark.parametrize("seed", [0, 5])
def test_the_last_bit_of_a_sum_does_not_decide(seed):
    """Every row is sure of the one tag; summed in another order 1 is 0.99999994, and that row used to be refused."""
    vectors = np.random.default_rng(seed).normal(size=(400, 8)).astype(np.float32)
    done = spread(vectors, lambda rows: ["a"] * len(rows), Plan(budget=125, audit_share=0.5, seed=seed))
    assert done.accepted.sum() == 400 - 125
