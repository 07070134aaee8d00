import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.vectors.cache import PartlyEmbeddedError, embed_cached, vector_key
from rayjob.vectors.masking import mask_content
from rayjob.vectors.project import project, sample_groups, sample_rows
from rayjob.vectors.targets import read_targets
from tests.vectors.clouds import make_clouds


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("First, let us compute 3 × 4.5 = 13.5.", "first , let us compute 0 × 0 = 0 ."),
        ("Janet's big ducks lay eggs. Wait, check!", "_ . wait , check !"),
        ("It isn't 13.\n\nTherefore it's 12", "it not 0 .\ntherefore it's 0"),
        ("因为 x = 3", "_ = 0"),
        ("", ""),
    ],
)
def test_content_goes_and_structure_stays(text, masked):
    assert mask_content(text) == masked


def test_the_same_argument_about_other_things_looks_the_same():
    first = mask_content("If Anna has 3 apples, then she needs 4 more. So the answer is 7.")
    assert first == mask_content("If Maria has 12 red nails, then she lacks 30 more. So the answer is 42.")


@given(st.text())
def test_masking_reads_anything(text):
    assert "\x00" not in mask_content(text) or "\x00" in text


class Memory(dict):
    def load(self, keys):
        return {key: self[key] for key in keys if key in self}

    def save(self, vectors):
        self.update(vectors)


def test_no_text_is_embedded_twice():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.array([[len(text), 1] for text in texts], np.float32)

    store = Memory()
    first = embed_cached(["a", "bb", "a"], embed, store, "m")
    assert first[:, 0].tolist() == [1, 2, 1]
    assert asked == ["a", "bb"]
    embed_cached(["bb", "ccc"], embed, store, "m")
    assert asked == ["a", "bb", "ccc"]


def test_what_was_embedded_before_an_end_is_kept():
    store = Memory()

    def stopped(texts):
        raise PartlyEmbeddedError("budget", {1: np.array([2.0, 1.0])})

    with pytest.raises(PartlyEmbeddedError):
        embed_cached(["a", "bb", "a", "ccc"], stopped, store, "m")
    assert [vector.tolist() for vector in store.values()] == [[2.0, 1.0]]
    asked = []
    found = embed_cached(["a", "bb"], lambda texts: [asked.append(text) or [1, 1] for text in texts], store, "m")
    assert (asked, found[1].tolist()) == (["a"], [2.0, 1.0])


def test_keys_differ_by_text_model_and_format_and_cannot_be_glued():
    keys = {
        vector_key(*parts)
        for parts in [
            ("a", "m", "f"),
            ("b", "m", "f"),
            ("a", "n", "f"),
            ("a", "m", "g"),
            ("", "ma", "f"),
            ("\ud800", "m", "f"),
        ]
    }
    assert len(keys) == 6
    assert all(len(key) == 32 for key in keys)


def test_targets_read_one_tag_or_several():
    single = read_targets(["b", "a", "b"])
    assert (single.tags, single.multi, single.values.tolist()) == (("a", "b"), False, [[0, 1], [1, 0], [0, 1]])
    several = read_targets([["b", "a"], []])
    assert (several.multi, several.values.tolist()) == (True, [[1, 1], [0, 0]])


def test_a_sample_leaves_out_what_it_shall():
    rows = sample_rows(300, np.arange(0, 300, 2), 80)
    assert len(set(rows.tolist())) == 80
    assert (rows % 2 == 1).all()
    assert sample_rows(4, np.array([0, 2]), 80).tolist() == [1, 3]


@pytest.mark.parametrize("wanted", [[0, 2, -1], [3], []])
def test_every_group_gives_its_share_of_a_sample(wanted):
    groups = np.repeat(np.array([-1, 0, 1, 2, 3], np.int32), [5, 100, 40, 30, 2])
    rows = sample_groups(groups, np.array(wanted, np.int64), 10)
    sizes = {-1: 5, 0: 10, 2: 10, 3: 2}
    assert np.unique(groups[rows], return_counts=True)[1].tolist() == [sizes[name] for name in sorted(wanted)]
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_a_map_keeps_neighbours_together_in_the_unit_square():
    clouds = make_clouds(300, classes=3, noise=0.1)
    rows = sample_rows(300, np.empty(0, np.int64), 80)
    points = project(clouds.vectors[rows])
    assert points.shape == (80, 2)
    assert points.min() >= 0
    assert points.max() <= 1
    near = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(80) * 9
    assert np.mean(clouds.truth[rows][near.argmin(axis=1)] == clouds.truth[rows]) > 0.9


@pytest.mark.parametrize("vectors", [np.ones((40, 4)), np.ones((1, 4)), np.ones((3, 1))])
def test_a_map_of_nothing_much(vectors):
    assert np.isfinite(project(vectors)).all()
