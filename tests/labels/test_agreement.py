"""Agreement statistics against hand-computed cases, scikit-learn and the krippendorff package."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from rayjob.labels import agreement_alpha, agreement_bootstrap, agreement_tags
from rayjob.labels.agreement import Coded, code_answers, compare_rows, contributions, measure

TAGS = "abcdef"
answer = st.lists(st.sampled_from(TAGS), unique=True, max_size=4).map(tuple)
single = st.sampled_from(["a", "b", "c", ""]).map(lambda tag: (tag,) if tag else ())


def sides(one: st.SearchStrategy[tuple[str, ...]], count: int = 2) -> st.SearchStrategy[list[list[tuple[str, ...]]]]:
    return st.lists(st.tuples(*[one] * count), min_size=2, max_size=30).map(
        lambda rows: [list(side) for side in zip(*rows, strict=True)]
    )


def measured(coded: Coded) -> dict[str, float]:
    found = measure(contributions(coded).sum(axis=0), coded.multi)
    return {name: float(value) for name, value in found.items()}


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "exact", "partial", "jaccard", "said"),
    [
        ((), (), 1, 1, 1.0, 0),
        (("x",), (), 0, 0, 0.0, 1),
        (("x",), ("x",), 1, 1, 1.0, 1),
        (("x", "y"), ("y", "x"), 1, 1, 1.0, 1),
        (("x", "y"), ("y", "z"), 0, 1, 1 / 3, 1),
        (("x",), ("y",), 0, 0, 0.0, 1),
        (None, ("y",), 0, 0, 0.0, 0),
    ],
)
def test_two_sets_are_compared_as_defined(a, b, exact, partial, jaccard, said):
    rows = compare_rows(code_answers("d", True, [[a], [b]]))
    assert (rows.exact[0], rows.partial[0], rows.said[0]) == (exact, partial, said)
    assert rows.jaccard[0] == pytest.approx(jaccard)


@given(sides(single))
def test_cohen_kappa_is_scikit_learns(two):
    coded = code_answers("d", False, two)
    labels = [[said[0] if said else "" for said in side] for side in two]
    if len({*labels[0], *labels[1]}) == 1:
        assert math.isnan(measured(coded)["kappa"])
        return
    assert same(measured(coded)["kappa"], cohen_kappa_score(*labels))


@given(sides(answer))
def test_micro_f1_and_flat_kappa_are_scikit_learns(two):
    coded = code_answers("d", True, two)
    found = measured(coded)
    if not coded.tags:
        assert math.isnan(found["micro_f1"])
        return
    # An unused last column: scikit-learn takes a single column for one binary answer, not for a set.
    left, right = (np.pad(coded.members[i].astype(int), ((0, 0), (0, 1))) for i in (0, 1))
    assert same(found["micro_f1"], f1_score(left, right, average="micro", zero_division=0))
    left, right = left[:, :-1].ravel(), right[:, :-1].ravel()
    if {*left, *right} == {0, 1}:
        assert same(found["flat_kappa"], cohen_kappa_score(left, right))


@given(sides(answer))
def test_pooled_kappa_pools_what_is_observed_and_expected_per_tag(two):
    coded = code_answers("d", True, two)
    rows, observed, expected = len(two[0]), [], []
    for column in range(len(coded.tags) + 3):  # three tags nobody uses: they must not matter
        left, right = (
            coded.members[i][:, column] if column < len(coded.tags) else np.zeros(rows, bool) for i in (0, 1)
        )
        observed.append((left == right).mean())
        expected.append(left.mean() * right.mean() + (1 - left.mean()) * (1 - right.mean()))
    if np.mean(expected) > 1 - 1e-12:
        assert math.isnan(measured(coded)["kappa"])
        return
    by_hand = (np.mean(observed) - np.mean(expected)) / (1 - np.mean(expected))
    assert same(measured(coded)["kappa"], float(by_hand))


def alpha(coded: Coded) -> float:
    rows = agreement_alpha.alpha_rows(coded)
    return float(agreement_alpha.alpha_of(rows.sums.sum(axis=0), rows.expected))


def values_of(coded: Coded) -> tuple[np.ndarray, np.ndarray]:
    """Each side's answer as a number (nan: unknown), and the set each number stands for."""
    distinct, index = agreement_alpha._distinct(coded.members)
    return np.where(coded.known, index.astype(float), np.nan), distinct


@given(sides(st.none() | single, count=3))
def test_nominal_alpha_is_the_krippendorff_packages(three):
    coded = code_answers("d", False, three)
    data, _ = values_of(coded)
    paired = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    if len(set(paired[~np.isnan(paired)])) < 2:
        assert math.isnan(alpha(coded))
        return
    assert same(alpha(coded), krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))


@given(sides(st.none() | answer, count=3))
def test_masi_alpha_is_the_krippendorff_packages(three):
    coded = code_answers("d", True, three)
    data, sets = values_of(coded)
    paired = data[:, (~np.isnan(data)).sum(axis=0) > 1]
    if len(set(paired[~np.isnan(paired)])) < 2:
        assert math.isnan(alpha(coded))
        return
    between = agreement_alpha.masi_distance(sets, sets)

    def metric(v1, v2, **_):
        return between[v1.astype(int), v2.astype(int)]

    assert same(alpha(coded), krippendorff.alpha(reliability_data=data, level_of_measurement=metric))


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ((), (), 0.0),
        (("x",), (), 1.0),
        (("x",), ("x",), 0.0),
        (("x",), ("x", "y"), 1 - 1 / 2 * 2 / 3),
        (("x", "z"), ("x", "y"), 1 - 1 / 3 * 1 / 3),
        (("z",), ("y",), 1.0),
    ],
)
def test_masi_distance_of_hand_computed_sets(a, b, distance):
    members = code_answers("d", True, [[a], [b]]).members
    assert agreement_alpha.masi_distance(members[0], members[1])[0, 0] == pytest.approx(distance)
    assert agreement_alpha._row_distance(members[0], members[1], True)[0] == pytest.approx(distance)


def test_drawn_alpha_stays_close_to_alpha_of_the_drawn_rows():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, 300)
    noisy = [np.where(rng.random(300) < 0.8, truth, rng.integers(0, 4, 300)) for _ in range(2)]
    coded = code_answers("d", False, [[(TAGS[v],) for v in side] for side in noisy])
    rows = agreement_alpha.alpha_rows(coded)
    for _ in range(20):
        drawn = rng.integers(0, 300, 300)
        again = Coded("d", False, coded.tags, coded.members[:, drawn], coded.known[:, drawn])
        linear = float(agreement_alpha.alpha_of(rows.sums[drawn].sum(axis=0), rows.expected))
        assert linear == pytest.approx(alpha(again), abs=0.005)


def test_bootstrap_interval_of_a_share_is_as_wide_as_theory_says():
    table = np.zeros((400, 1))
    table[:100] = 1
    found = agreement_bootstrap.interval(agreement_bootstrap.sum_draws(table, 4000, seed=1)[:, 0] / 400)
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert found.value == 0.25
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_equal_seeds_draw_the_same_whatever_the_chunks(monkeypatch):
    table = np.random.default_rng(0).random((50, 3))
    whole = agreement_bootstrap.sum_draws(table, 30, seed=7)
    monkeypatch.setattr(agreement_bootstrap, "_CHUNK_CELLS", 200)
    assert np.allclose(whole, agreement_bootstrap.sum_draws(table, 30, seed=7))


def test_paired_difference_knows_noise_from_a_gain():
    rng = np.random.default_rng(3)
    base = (rng.random(500) < 0.8).astype(float)
    noise, gain = base.copy(), base.copy()
    noise[:4] = 1 - noise[:4]
    gain[np.flatnonzero(base == 0)[:40]] = 1
    draws = agreement_bootstrap.sum_draws(np.column_stack([base, noise, gain]), 1000, seed=2) / 500
    assert not agreement_bootstrap.paired_difference(draws[:, 0], draws[:, 1]).beyond_noise
    better = agreement_bootstrap.paired_difference(draws[:, 0], draws[:, 2])
    assert better.beyond_noise
    assert better.value == pytest.approx(0.08)
    assert better.p < 0.01


def test_fewer_draws_only_where_many_rows_make_them_dear():
    assert agreement_bootstrap.affordable_draws(10_000, 1000) == 1000
    assert agreement_bootstrap.affordable_draws(1_000_000, 1000) == 200
    assert agreement_bootstrap.affordable_draws(1_000_000, 50) == 50


def two_sets() -> Coded:
    a = [("x",), ("x", "y"), ("x",), (), ("x", "y", "z"), ()]
    b = [("y",), ("x",), ("x",), ("z",), ("u", "v"), ()]
    return code_answers("d", True, [a, b])


def test_substitutions_count_only_what_is_certain():
    found = {(item.a, item.b): item.rows for item in agreement_tags.substitutions(two_sets())}
    assert found == {("x", "y"): 1, ("y", ""): 1, ("", "z"): 1}


def test_containment_counts_every_row_once():
    found = agreement_tags.containment(two_sets())
    assert (found.both_empty, found.equal, found.a_in_b, found.b_in_a, found.overlap, found.disjoint) == (
        1, 1, 1, 1, 0, 2,
    )  # fmt: skip


def test_tag_uses_put_the_largest_gap_first():
    uses = agreement_tags.tag_uses(two_sets())
    assert (uses[0].tag, uses[0].a, uses[0].b, uses[0].both) == ("x", 4, 2, 2)
    assert {use.tag for use in uses} == {"x", "y", "z", "u", "v"}


def test_grid_counts_and_averages_per_cell():
    row = code_answers("i", False, [[("p",), ("p",), ("q",), ()]] * 2)
    column = code_answers("j", False, [[("s",), ("s",), ("t",), ("t",)]] * 2)
    counts, means = agreement_tags.grid_of(row, column, np.array([1.0, 0.0, 0.5, 1.0]))
    assert counts.tolist() == [[2, 0], [0, 1]]
    assert means[0, 0] == 0.5
    assert means[1, 1] == 0.5
    assert np.isnan(means[0, 1])
