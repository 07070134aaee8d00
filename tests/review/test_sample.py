"""Which rows are drawn: targeted ones for certain, the rest by chance with known probabilities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.review.sample import RANDOM, TARGETED, Candidate, assign_rows, pick_rows, share_out


def candidates(count: int) -> list[Candidate]:
    return [Candidate(i, i / count, 1 - i / count, "rare" if i % 10 == 0 else "common") for i in range(count)]


def test_targeted_rows_are_certain_and_the_rest_is_drawn_from_what_is_left():
    sample = pick_rows(candidates(100), 20, "lowest_confidence", 0.5, seed=1)
    targeted = [row for row in sample.rows if row.stratum == TARGETED]
    assert sorted(row.index for row in targeted) == list(range(10))
    assert {row.probability for row in targeted} == {1.0}
    drawn = [row for row in sample.rows if row.stratum == RANDOM]
    assert {row.probability for row in drawn} == {10 / 90}
    assert sample.population == {TARGETED: 10, RANDOM: 90}


def test_most_disagreement_looks_at_disagreement():
    sample = pick_rows(candidates(50), 5, "most_disagreement", 0, seed=1)
    assert sorted(row.index for row in sample.rows) == [0, 1, 2, 3, 4]


def test_strata_get_equal_parts_where_they_can():
    sample = pick_rows(candidates(100), 40, "per_stratum", seed=1)
    drawn = [row.stratum for row in sample.rows]
    assert (drawn.count("random: rare"), drawn.count("random: common")) == (10, 30)
    assert {row.probability for row in sample.rows if "rare" in row.stratum} == {1.0}


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 100))
def test_shares_add_up_and_never_pass_a_stratum(sizes, total):
    given_out = share_out(sizes, total)
    assert sum(given_out.values()) == min(total, sum(sizes.values()))
    assert all(given_out[name] <= size for name, size in sizes.items())


def test_every_row_is_as_likely_as_the_sample_says():
    counts = [0] * 40
    for seed in range(1500):
        for row in pick_rows(candidates(40), 10, "random", seed=seed).rows:
            counts[row.index] += 1
    assert all(count / 1500 == pytest.approx(0.25, abs=0.05) for count in counts)


def test_rows_are_shared_evenly_and_some_are_seen_by_two():
    assigned = assign_rows(100, ["ann", "bob", "cy"], overlap=0.3, seed=2)
    assert sum(len(who) == 2 for who in assigned) == 30
    assert all(len(set(who)) == len(who) for who in assigned)
    loads = [sum(name in who for who in assigned) for name in ("ann", "bob", "cy")]
    assert max(loads) - min(loads) <= 12
    assert assign_rows(3, [], 1.0) == [(), (), ()]
