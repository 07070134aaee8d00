import json
import pickle

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from rayjob.spec.spread import AskStep, ClusterStep, EmbedStep, PropagateStep, RepresentStep
from rayjob.steps.cluster import Cluster, summarise_clusters
from rayjob.steps.embed import Embed, read_vectors, vector_column
from rayjob.steps.propagate import Counts, Propagate, summarise
from rayjob.steps.represent import Represent
from rayjob.vectors.check import SpreadError
from rayjob.vectors.represent import join_chosen
from tests.vectors.clouds import make_clouds


class Lengths:
    """Embeds a text as its length; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        return np.array([[len(text), 1] for text in texts], np.float32).reshape(len(texts), 2)


def row(**values):
    return {"uid": "u", "query": "", "answer": "", "reasoning": "", "failure": None, **values}


def test_embed_adds_a_vector_to_each_row_and_asks_equal_texts_once():
    embed = Lengths()
    rows = Embed(EmbedStep(), embed)([row(query="abc"), row(query="abc"), row(query="x")])
    assert [list(found["vector"]) for found in rows] == [[3, 1], [3, 1], [1, 1]]
    assert embed.asked == [["abc", "x"]]


def test_failed_rows_pass_without_a_vector():
    rows = Embed(EmbedStep(store="float16"), Lengths())([row(query="a", failure={"kind": "empty"}), row(query="b")])
    assert rows[0]["vector"] is None
    assert rows[1]["vector"].dtype == np.float16
    assert Embed(EmbedStep(), Lengths())([]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("answer", "A {query}"),
        ("{query} / {{ answer }}", "Q / A {query}"),
        ("masked_reasoning", "if _ then 0"),
        ("{masked_reasoning}|{reasoning}", "if _ then 0|If Bob then 3"),
    ],
)
def test_what_is_embedded(text, expected):
    embed = Lengths()
    Embed(EmbedStep(text=text), embed)([row(query="Q", answer="A {query}", reasoning="If Bob then 3")])
    assert embed.asked == [[expected]]


def test_an_embed_step_reads_the_columns_it_mentions():
    assert EmbedStep(text="{masked_reasoning} {query} {reasoning}").reads == ("reasoning", "query")


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (EmbedStep, {"text": "{qeury}"}, "unknown: qeury; write one of query, answer"),
        (EmbedStep, {"text": "hello"}, "mentions none of them"),
        (ClusterStep, {"algorithm": "hdbscan", "clusters": 3}, "leave out clusters"),
        (RepresentStep, {"budget": 10.5}, "whole number"),
        (RepresentStep, {"budget": 0}, "greater than 0"),
        (AskStep, {"from": "sheet"}, "belongs to `from: sheet`"),
        (AskStep, {"fields": {"intent": "x"}}, "belongs to `from: truth`"),
        (PropagateStep, {"precision": 1.0}, "less than 1"),
    ],
)
def test_bad_settings_say_what_would_do(model, settings, message):
    with pytest.raises(ValidationError, match=message):
        model.model_validate(settings)


def test_vectors_survive_arrow():
    vectors = np.arange(12, dtype=np.float16).reshape(4, 3)
    column = vector_column(vectors)
    assert pa.types.is_fixed_size_list(column.type)
    assert np.array_equal(read_vectors(pa.chunked_array([column[:1], column[1:]])), vectors)
    assert np.array_equal(read_vectors(column[2:]), vectors[2:])


def test_missing_and_ragged_vectors_are_named():
    with pytest.raises(SpreadError, match="rows 1"):
        read_vectors(pa.array([[1.0], None]))
    with pytest.raises(SpreadError, match=r"different lengths.*\[1, 2\]"):
        read_vectors(pa.array([[1.0], [1.0, 2.0]]))


def test_clusters_are_summarised_for_people():
    clouds = make_clouds(120, classes=3, noise=0.1)
    words = {"tag0": "card arrival late", "tag1": "refund money back", "tag2": "exchange rate money"}
    texts = [words[label] for label in clouds.truth]
    found = Cluster(ClusterStep(clusters=3))(clouds.vectors)
    summary = summarise_clusters(found.labels, clouds.vectors, texts, {"kind": list(clouds.truth)})
    assert [line.size for line in summary] == list(found.sizes)
    for line in summary:
        name = clouds.truth[line.medoid]
        assert line.labels == {"kind": ((str(name), 1.0),)}
        assert set(line.words[:2]) <= set(words[name].split())
        assert "money" not in line.words[:2]


def test_the_outliers_come_last_in_the_summary():
    labels = {"none": [None] * 4, "some": ["x", "x", "y", None]}
    clusters, vectors = np.array([-1, 0, 1, 0], np.int32), np.eye(4, dtype=np.float32)
    summary = summarise_clusters(clusters, vectors, ["a"] * 4, labels)
    assert [line.cluster for line in summary] == [0, 1, -1]
    assert summary[0].labels == {"none": (), "some": (("x", 1.0),)}


@pytest.mark.parametrize(("wanted", "may_repeat", "rounds"), [(None, True, 3), (None, False, 1), (2, False, 2)])
def test_rounds_that_nobody_asked_for_send_no_second_sheet(wanted, may_repeat, rounds):
    spec = RepresentStep(budget=2_000, rounds=wanted)
    assert len(Represent(spec, may_repeat).rounds(50_000)) == rounds


def spread_through_steps(clouds, represent, propagate=None):
    """What the engine does with the steps, on one table."""
    choose, fit = Represent(represent), Propagate(propagate or PropagateStep())
    bought = choose.first(clouds.vectors)
    budgets = choose.rounds(len(clouds.vectors))
    for number in range(1, len(budgets)):
        spreader = fit.fit(clouds.vectors, bought, uids(bought), {"intent": clouds.ask(bought.rows)})
        margin = spreader.margin(clouds.vectors)
        bought = join_chosen([bought, choose.later(clouds.vectors, margin, bought, number)])
    labels = {"intent": clouds.ask(bought.rows), "parity": [[tag] for tag in clouds.ask(bought.rows)]}
    return bought, fit.fit(clouds.vectors, bought, uids(bought), labels)


def uids(bought):
    return [f"u{number}" for number in bought.rows]


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_steps_together_spread_labels_block_by_block(rounds):
    clouds = make_clouds(800)
    bought, spreader = spread_through_steps(clouds, RepresentStep(budget=0.2, rounds=rounds))
    assert len(bought.rows) == 160
    again = pickle.loads(pickle.dumps(spreader))
    rows = [found for start in range(0, 800, 300) for found in again(clouds.vectors[start : start + 300])]
    assert len(rows) == 800
    accepted = [place for place, found in enumerate(rows) if found["intent"].accepted]
    assert len(accepted) > 700
    assert np.mean([rows[place]["intent"].label == clouds.truth[place] for place in accepted]) > 0.97
    first = rows[0]["intent"]
    assert first.sources[0] in uids(bought)
    assert first.to_dict()["distances"] == sorted(first.distances)
    assert isinstance(rows[0]["parity"].label, list)
    json.dumps(first.to_dict())


def test_the_summary_counts_what_was_bought_spread_and_sent_on():
    clouds = make_clouds(600)
    bought, spreader = spread_through_steps(clouds, RepresentStep(budget=0.2))
    accepted = np.array([found["intent"].accepted for found in spreader(clouds.vectors)])
    accepted[bought.rows] = False
    counts = Counts(len(accepted), len(bought.rows), int(accepted.sum()))
    summary = summarise("intent", spreader.thresholds()["intent"], counts, 2.0, 6.0)
    assert summary.bought + summary.spread + summary.sent_on == 600
    assert (summary.cost_usd, summary.cost_all_usd) == (2.0, 6.0)
    assert summary.precision is not None
    assert summary.precision_low >= 0.95


def test_by_cluster_gives_every_cluster_representatives():
    clouds = make_clouds(300, classes=3)
    clusters = np.array([int(label[-1]) for label in clouds.truth])
    chosen = Represent(RepresentStep(budget=30, audit_share=0, by_cluster=True)).first(clouds.vectors, clusters)
    counts = np.bincount(clusters[chosen.rows])
    assert np.abs(counts - np.bincount(clusters) / 10).max() < 1
