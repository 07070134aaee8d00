import pickle
import sys

import numpy as np
import pytest

from rayjob.vectors.check import SpreadError
from rayjob.vectors.neighbours import Neighbours
from tests.vectors.clouds import make_clouds


def brute(vectors, queries, k):
    index = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    distances = np.linalg.norm(asked[:, None] - index[None], axis=2)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(distances, rows, axis=1)


def test_exact_neighbours_are_those_of_brute_force():
    vectors = make_clouds(300).vectors
    near = Neighbours(vectors).search(vectors[:40], 7)
    rows, distances = brute(vectors, vectors[:40], 7)
    assert np.array_equal(near.rows[:, 1:], rows[:, 1:])
    assert np.allclose(near.distances[:, 1:], distances[:, 1:], atol=1e-3)


def test_the_nearest_alone_is_the_first_of_several():
    vectors = make_clouds(200).vectors
    queries = make_clouds(50, seed=1).vectors
    one, several = Neighbours(vectors).search(queries, 1), Neighbours(vectors).search(queries, 4)
    assert np.array_equal(one.rows[:, 0], several.rows[:, 0])
    assert np.allclose(one.distances[:, 0], several.distances[:, 0])
    assert Neighbours(np.ones((5, 3), np.float32)).search(np.ones((2, 3), np.float32), 1).rows.tolist() == [[0], [0]]


def test_more_neighbours_than_rows_are_all_rows():
    near = Neighbours(make_clouds(4).vectors).search(make_clouds(9).vectors, 10)
    assert near.rows.shape == (9, 4)


def test_no_query_no_answer():
    near = Neighbours(make_clouds(4).vectors).search(np.empty((0, 16), np.float32), 2)
    assert near.rows.shape == (0, 2)


def test_inverted_lists_find_most_neighbours_and_survive_pickling():
    vectors = make_clouds(3000, classes=30).vectors
    index = Neighbours(vectors, exact_rows=1000)
    near = index.search(vectors[:200], 10)
    rows, _ = brute(vectors, vectors[:200], 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near.rows, rows, strict=True)])
    assert recall > 0.9
    again = pickle.loads(pickle.dumps(index)).search(vectors[:200], 10)
    assert np.array_equal(again.rows, near.rows)


def test_inverted_lists_are_the_same_twice():
    vectors = make_clouds(3000, classes=30).vectors
    first, second = (Neighbours(vectors, seed=3, exact_rows=1000).search(vectors, 5) for _ in range(2))
    assert np.array_equal(first.rows, second.rows)


@pytest.mark.parametrize("rows", [1, 5])
def test_equal_rows_lie_at_distance_zero(rows):
    near = Neighbours(np.ones((rows, 8), np.float32)).search(np.ones((2, 8), np.float32), 3)
    assert np.allclose(near.distances, 0, atol=1e-3)


def test_lists_that_are_too_short_are_no_reason_to_find_too_few():
    """Nearly all rows are copies in one list: a query near another list found row -1, infinitely far away."""
    clouds = make_clouds(100)
    vectors = np.vstack([np.tile(clouds.vectors[:1], (3000, 1)), clouds.vectors])
    near = Neighbours(vectors, exact_rows=1000).search(vectors[-100:], 40)
    assert near.rows.min() >= 0
    assert all(len(set(rows)) == 40 for rows in near.rows.tolist())
    assert near.distances.max() <= 2
    assert np.all(np.diff(near.distances, axis=1) >= 0)


def test_without_faiss_a_large_table_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(SpreadError, match=r"pip install '\.\[spread\]'` in the checkout"):
        Neighbours(make_clouds(30).vectors, exact_rows=20)


def test_any_seed_will_do_for_lists():
    assert Neighbours(make_clouds(30).vectors, seed=2**40, exact_rows=20).search(np.eye(1, 16), 2).rows.shape == (1, 2)
