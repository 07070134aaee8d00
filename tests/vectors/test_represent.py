import numpy as np
import pytest

from rayjob.vectors import represent as represent_module
from rayjob.vectors import rounds as rounds_module
from rayjob.vectors.check import SpreadError
from rayjob.vectors.represent import CELL_ROWS, Budget, pick, represent, split_budget
from rayjob.vectors.rounds import margins, pick_uncertain, plan_rounds
from tests.vectors.clouds import make_clouds

METHODS = ["kmeans", "medoids", "typiclust", "farthest", "random"]


@pytest.mark.parametrize("method", METHODS)
def test_distinct_rows_of_the_budgets_size_the_same_twice(method):
    vectors = make_clouds(300).vectors
    chosen = represent(vectors, Budget(20, 5), method, seed=4)
    assert len(set(chosen.rows.tolist())) == 25
    assert chosen.is_audit.sum() == 5
    again = represent(vectors, Budget(20, 5), method, seed=4)
    assert np.array_equal(chosen.rows, again.rows)


@pytest.mark.parametrize("method", ["kmeans", "medoids", "typiclust", "farthest"])
def test_representatives_cover_every_cloud(method):
    clouds = make_clouds(400, classes=8, noise=0.1)
    chosen = pick(clouds.vectors, np.arange(400), 8, method)
    assert len(set(clouds.truth[chosen])) >= 7


@pytest.mark.parametrize("method", METHODS)
def test_equal_rows_still_give_the_whole_budget(method):
    chosen = represent(np.ones((50, 4), np.float32), Budget(6, 4), method)
    assert len(set(chosen.rows.tolist())) == 10


def test_a_budget_beyond_the_table_buys_the_table():
    assert split_budget(500, 20, 0.2) == Budget(16, 4)
    chosen = represent(make_clouds(20).vectors, split_budget(500, 20, 0.2))
    assert sorted(chosen.rows) == list(range(20))


@pytest.mark.parametrize(
    ("budget", "rows", "share", "expected"),
    [
        (0.1, 200, 0.2, Budget(16, 4)),
        (50, 200, 0.5, Budget(25, 25)),
        (1, 200, 0.0, Budget(1, 0)),
        (100, 9000, None, Budget(50, 50)),
        (1200, 9000, None, Budget(700, 500)),
        (4000, 9000, None, Budget(2800, 1200)),
    ],
)
def test_a_budget_is_a_share_or_a_count(budget, rows, share, expected):
    assert split_budget(budget, rows, share) == expected


def test_a_budget_that_buys_nothing_is_refused():
    with pytest.raises(SpreadError, match="buys no label"):
        split_budget(0.001, 100, 0.2)


def test_clusters_share_the_budget_by_size_outliers_too():
    vectors = make_clouds(100).vectors
    clusters = np.array([0] * 60 + [1] * 30 + [-1] * 10)
    chosen = pick(vectors, np.arange(100), 10, "kmeans", 0, clusters)
    assert [int((clusters[chosen] == name).sum()) for name in (0, 1, -1)] == [6, 3, 1]


def test_a_large_table_is_cut_into_cells_and_still_covered():
    clouds = make_clouds(CELL_ROWS * 2 + 100, classes=6, width=8, noise=0.05)
    chosen = pick(clouds.vectors, np.arange(len(clouds.truth)), 60)
    assert len(chosen) == 60
    assert set(clouds.truth[chosen]) == set(clouds.truth)


def test_the_audit_is_uniform_over_the_rows_not_chosen():
    vectors = make_clouds(40).vectors
    counts = np.zeros(40)
    for seed in range(400):
        chosen = represent(vectors, Budget(0, 8), seed=seed)
        counts[chosen.rows] += 1
    assert counts.min() > 45  # 80 expected, sd 8
    assert counts.max() < 115


def test_rounds_sum_to_the_budget_and_the_audit_comes_last():
    budgets = plan_rounds(0.1, 1000, 0.4, 3)
    assert sum(budget.representatives for budget in budgets) == 60
    assert [budget.audit for budget in budgets] == [0, 0, 40]
    assert budgets[0].representatives == 30
    assert plan_rounds(0.1, 1000, 0.4, 1) == [Budget(60, 40)]


@pytest.mark.parametrize(("budget", "rounds"), [(900, 1), (1_200, 3)])
def test_rounds_of_their_own_accord_where_the_first_can_know_the_table(budget, rounds):
    assert len(plan_rounds(budget, 20_000, 0.5, None)) == rounds


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 9, 60])
@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
@pytest.mark.parametrize("share", [None, 0.0, 0.5, 1.0])
def test_every_round_buys_something_however_few_there_are_to_buy(budget, rounds, share):
    budgets, whole = plan_rounds(budget, 100, share, rounds), split_budget(budget, 100, share)
    bought = [found.representatives for found in budgets]
    assert (sum(bought), budgets[-1].audit, len(budgets) <= rounds) == (whole.representatives, whole.audit, True)
    assert whole.representatives == 0 or min(bought) >= 1
    assert bought[0] >= whole.representatives / 2


def test_a_round_larger_than_a_cell_buys_its_whole_budget(monkeypatch):
    monkeypatch.setattr(rounds_module, "CELL_ROWS", 50)
    monkeypatch.setattr(represent_module, "CELL_ROWS", 50)
    taken = np.arange(10)
    chosen = pick_uncertain(make_clouds(300).vectors, np.linspace(0, 1, 300, dtype=np.float32), taken, Budget(90, 7), 1)
    assert (chosen.is_audit.sum(), len(set(chosen.rows.tolist()) | set(taken.tolist()))) == (7, 107)


def test_later_rounds_buy_where_the_margin_is_small_and_never_twice():
    vectors = make_clouds(200).vectors
    margin = np.linspace(0, 1, 200, dtype=np.float32)
    taken = np.arange(0, 10)
    chosen = pick_uncertain(vectors, margin, taken, Budget(5, 20), seed=1)
    assert len(set(chosen.rows.tolist()) | set(taken.tolist())) == 35
    assert chosen.rows[~chosen.is_audit].max() < 50


def test_margins():
    scores = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2]], np.float32)
    assert margins(scores) == pytest.approx([0.5, 0.0], abs=1e-6)
    assert margins(scores[:, :1]) == pytest.approx([1, 1])
