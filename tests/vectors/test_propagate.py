import pickle

import numpy as np
import pytest

from rayjob.vectors.check import SpreadError, unit
from rayjob.vectors.graph import InOtherSpace, build_graph, fit_whitening, spread_labels
from rayjob.vectors.propagate import METHODS, Settings, anchor, choose, fit, is_right
from rayjob.vectors.represent import Chosen
from rayjob.vectors.targets import read_targets
from rayjob.vectors.trust import fit_trust
from tests.vectors.clouds import make_clouds


def fitted(clouds, rows, settings, labels=None):
    chosen = Chosen(rows, np.zeros(len(rows), bool))
    targets = read_targets(clouds.ask(rows) if labels is None else labels)
    return fit(clouds.vectors[rows], targets, settings, anchor(clouds.vectors, chosen, settings, 0))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_well_separated_clouds(method):
    clouds = make_clouds()
    model = fitted(clouds, np.arange(30), Settings(method=method))
    seen = model.predict(clouds.vectors)
    assert np.mean(np.array(model.labels(seen)) == clouds.truth) > 0.97
    assert np.allclose(seen.scores.sum(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_give_what_the_whole_gives_also_after_pickling(method):
    clouds = make_clouds(300)
    model = fitted(clouds, np.arange(30), Settings(method=method))
    whole = model.predict(clouds.vectors)
    part = pickle.loads(pickle.dumps(model)).predict(clouds.vectors[100:117])
    assert np.allclose(part.scores, whole.scores[100:117], atol=1e-5)


def test_the_trust_formula_by_hand():
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    model = fit_trust(vectors, read_targets(["a", "b"]), k=2, decay=3.0)
    query = np.array([[np.cos(0.3), np.sin(0.3)]], np.float32)
    distances = np.linalg.norm(query - vectors, axis=1)
    weights = np.exp(-3 * distances)
    assert model.scores(query)[0] == pytest.approx(weights / weights.sum(), rel=1e-3)


def test_label_spreading_is_the_closed_form():
    clouds = make_clouds(60, classes=3)
    graph = build_graph(clouds.vectors, k=5)
    rows = np.arange(12)
    targets = read_targets(clouds.ask(rows))
    mass = spread_labels(graph, rows, targets, steps=400).mass[:, :-1]
    seeds = np.zeros((60, len(targets.tags)))
    seeds[rows] = targets.values
    exact = 0.1 * np.linalg.solve(np.eye(60) - 0.9 * graph.links.toarray(), seeds)
    assert np.allclose(mass, exact, atol=1e-4)


def test_whitened_rows_differ_about_equally_in_all_directions():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 6)) * [9, 3, 1, 1, 1, 0.01] + [20, 0, 0, 0, 0, 0]
    whitening = fit_whitening(rows)
    spread = np.linalg.eigvalsh(np.cov(whitening(rows), rowvar=False))
    assert spread.max() <= 1.001
    assert spread[1:].min() > 0.01
    before = np.linalg.eigvalsh(np.cov(unit(rows), rowvar=False))
    assert spread.max() / spread[2] < 0.3 * before.max() / before[2]
    assert np.isfinite(fit_whitening(np.ones((9, 4), np.float32))(np.ones((2, 4), np.float32))).all()


def test_the_mean_asks_a_second_graph_in_the_other_space():
    """Two classes differ in a direction that is small beside three that mean nothing: whitened, they lie apart."""
    rng = np.random.default_rng(1)
    truth = np.arange(400) % 2
    rows = np.column_stack([rng.normal(size=(400, 3)), 0.2 * (2 * truth - 1), np.full(400, 3)])
    bought = Chosen(np.arange(20), np.zeros(20, bool))
    anchored = anchor(rows, bought, Settings(), 0)
    model = fit(rows[:20], read_targets([str(name) for name in truth[:20]]), Settings(), anchored)
    right = [(scorer.scores(rows).argmax(axis=1) == truth).mean() for scorer in model.others[:2]]
    assert isinstance(model.others[1], InOtherSpace)
    assert right[1] > max(0.9, right[0] + 0.05)
    assert anchor(rows, bought, Settings(method="graph"), 0).whitened is None


def test_the_decay_is_fitted_not_one():
    """Five labelled rows a class and 20 neighbours: weighed almost alike, four in five would vote for another class."""
    clouds = make_clouds(25)
    assert fit_trust(clouds.vectors, read_targets(clouds.ask(np.arange(25)))).decay >= 4


def test_every_label_names_its_nearest_labelled_rows():
    clouds = make_clouds(100)
    rows = np.arange(40, 70)
    seen = fitted(clouds, rows, Settings(sources=3)).predict(clouds.vectors[rows])
    assert seen.sources.rows.shape == (30, 3)
    assert np.array_equal(seen.sources.rows[:, 0], np.arange(30))
    assert np.all(np.diff(seen.sources.distances, axis=1) >= 0)


@pytest.mark.parametrize("method", METHODS)
def test_several_tags_a_row(method):
    clouds = make_clouds(400, classes=4, noise=0.15)
    sets = {"tag0": ["x"], "tag1": ["x", "y"], "tag2": ["y"], "tag3": []}
    truth = [sets[label] for label in clouds.truth]
    model = fitted(clouds, np.arange(60), Settings(method=method), truth[:60])
    seen = model.predict(clouds.vectors)
    assert np.mean([found == wanted for found, wanted in zip(model.labels(seen), truth, strict=True)]) > 0.9
    assert seen.confidence.min() >= 0
    assert seen.confidence.max() <= 1.0001


@pytest.mark.parametrize("method", METHODS)
def test_one_class_and_a_class_with_one_member(method):
    clouds = make_clouds(50)
    one = fitted(clouds, np.arange(10), Settings(method=method), ["same"] * 10)
    assert set(one.labels(one.predict(clouds.vectors))) == {"same"}
    rare = fitted(clouds, np.arange(10), Settings(method=method), ["same"] * 9 + ["rare"])
    seen = rare.predict(clouds.vectors)
    assert np.isfinite(seen.scores).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("vectors", [np.ones((40, 6), np.float32), np.zeros((40, 6), np.float32)])
def test_equal_texts_and_empty_texts(method, vectors):
    rows = np.arange(10)
    settings = Settings(method=method)
    anchored = anchor(vectors, Chosen(rows, np.zeros(10, bool)), settings, 0)
    model = fit(vectors[rows], read_targets(["a"] * 7 + ["b"] * 3), settings, anchored)
    seen = model.predict(vectors)
    assert np.isfinite(seen.scores).all()
    assert np.all(seen.confidence < 0.95)


def test_one_labelled_row_labels_all():
    clouds = make_clouds(20)
    model = fitted(clouds, np.array([3]), Settings())
    assert set(model.labels(model.predict(clouds.vectors))) == {clouds.truth[3]}


def test_nothing_labelled_is_refused():
    with pytest.raises(SpreadError, match="no row is labelled"):
        fit(np.empty((0, 4), np.float32), read_targets([], ["a"]), Settings(method="probe"))


def test_audit_rows_outside_the_graph_act_at_their_nearest_anchor():
    clouds = make_clouds(600)
    rows = np.arange(60)
    chosen = Chosen(rows, rows >= 20)
    settings = Settings(method="graph", anchors=200)
    anchored = anchor(clouds.vectors, chosen, settings, 0)
    assert anchored.graph.index.rows < 225
    model = fit(clouds.vectors[rows], read_targets(clouds.ask(rows)), settings, anchored)
    assert np.mean(np.array(model.labels(model.predict(clouds.vectors))) == clouds.truth) > 0.97


@pytest.mark.parametrize(("may_be_empty", "expected"), [(True, [[], ["x", "y"]]), (False, [["y"], ["x", "y"]])])
def test_a_row_without_a_likely_tag_is_empty_only_where_rows_may_be(may_be_empty, expected):
    chosen, _ = choose(np.array([[0.1, 0.3], [0.9, 0.6]], np.float32), True, may_be_empty)
    assert [[name for name, taken in zip("xy", row, strict=True) if taken] for row in chosen] == expected


def test_confidence_of_a_set_and_what_counts_as_right():
    scores = np.array([[0.9, 0.6, 0.2]], np.float32)
    assert choose(scores, True, True, "exact")[1][0] == pytest.approx(0.9 * 0.6 * 0.8)
    assert choose(scores, True, True, "contained")[1][0] == pytest.approx(0.9 * 0.6)
    chosen = np.array([[True, False]])
    assert not is_right(chosen, np.array([[1, 1]], np.float32), "exact")[0]
    assert is_right(chosen, np.array([[1, 1]], np.float32), "contained")[0]
    assert not is_right(chosen, np.array([[0, 1]], np.float32), "contained")[0]


def test_no_tag_at_all_is_right_only_where_none_is_true_also_if_a_part_of_the_tags_will_do():
    scores = np.array([[0.1, 0.3], [0.9, 0.3]], np.float32)
    chosen, confidence = choose(scores, True, True, "contained")
    assert confidence == pytest.approx([0.9 * 0.7, 0.9])
    assert is_right(chosen, np.array([[0, 1], [1, 1]], np.float32), "contained").tolist() == [False, True]
    assert is_right(chosen, np.zeros((2, 2), np.float32), "contained").tolist() == [True, False]


def test_copies_of_a_few_rows_do_not_blind_the_graph_to_all_others():
    clouds = make_clouds(1000)
    copies = np.repeat(np.arange(10), 150)
    vectors = np.vstack([clouds.vectors, clouds.vectors[copies]])
    rows, settings = np.arange(60), Settings(method="graph", anchors=500)
    anchored = anchor(vectors, Chosen(rows, np.zeros(60, bool)), settings, 0)
    model = fit(vectors[rows], read_targets(clouds.ask(rows)), settings, anchored)
    assert np.mean(np.array(model.labels(model.predict(clouds.vectors))) == clouds.truth) > 0.97
