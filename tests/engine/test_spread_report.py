"""What the report says of spreading, without a run: counts that add up, costs, the rows on the map, the clusters."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayjob.engine.bought import Bought
from rayjob.engine.parts import Part
from rayjob.engine.spread_map import LISTED, ROWS_A_CLUSTER, draw_map, read_texts
from rayjob.engine.spread_report import NAME, cost_of, questions_of, read_spreading, summaries
from rayjob.engine.spread_table import SpreadTable
from rayjob.spec.label import LabelStep
from rayjob.spec.model import JobSpec, Step
from rayjob.spec.spread import AskStep, EmbedStep, PropagateStep
from rayjob.steps.propagate import Propagated
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.represent import Chosen

THRESHOLD = {"value": 0.9, "audited": 500, "accepted": 450, "right": 445, "low": 0.95, "high": 0.99, "reason": ""}


class Fitted:
    """Every row's label comes from the first bought row; intent is accepted, topic is not."""

    fitted = ("intent", "topic")

    def __call__(self, vectors: Any) -> list[dict[str, Propagated]]:
        label = Propagated("learn", 0.9, True, ("u0",), (0.0,))
        return [{"intent": label, "topic": Propagated(["web"], 0.4, False, ("u0",), (0.0,))} for _ in vectors]


class Texts:
    """A part whose rows say where they stand."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def read(self, columns: Any) -> pa.Table:
        return pa.table({name: [f"{name} {row}" for row in range(self.rows)] for name in columns})


def spreading(rows: int, chosen: Chosen, clusters: Any = None) -> Any:
    """As much of a run's spreading as the map looks at."""
    vectors = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    uids = pa.chunked_array([[f"u{row}" for row in range(rows)]])
    settings = {"embed": EmbedStep(), "ask": AskStep(), "propagate": PropagateStep(otherwise="leave")}
    facts = {"clusters": 700, "outliers": 3, "silhouette": 0.5, "dbcv": None}
    return SimpleNamespace(
        table=SpreadTable(vectors, uids, np.array([0, rows]), np.arange(rows)), parts=[Texts(rows)], clusters=clusters,
        settings=settings.__getitem__, facts=lambda kind: facts, chosen=lambda number: None if number else chosen,
    )  # fmt: skip


def buy(count: int, first: int = 0) -> Bought:
    """The first rows; every other one is audit, every third has no answer in topic."""
    rows = np.arange(first, count)
    labels = {
        "intent": ["debug" if row else "learn" for row in rows.tolist()],
        "topic": [None if row % 3 == 2 else ["games"] for row in rows.tolist()],
    }
    uids = tuple(f"u{row}" for row in rows)
    return Bought(Chosen(rows, rows % 2 == 1), np.zeros(len(rows), np.int64), uids, labels)


def drawn(rows: int, bought: Bought, chosen: Chosen | None = None, clusters: Any = None) -> dict[str, Any]:
    fitted: Any = Fitted()
    return draw_map(spreading(rows, chosen or bought.chosen, clusters), bought, fitted)


def test_a_map_shows_spread_rows_beside_many_bought_ones_and_where_their_labels_come_from() -> None:
    points = drawn(3_000, buy(1_000))["points"]
    kinds = Counter(point["told"]["intent"]["kind"] for point in points)
    assert (len(points), kinds["accepted"], kinds["bought"] + kinds["audit"]) == (800, 400, 400)
    assert "u0" in {point["uid"] for point in points}


@pytest.mark.parametrize(("rows", "bought", "shown"), [(50, 10, 50), (900, 895, 800), (700, 700, 700)])
def test_a_map_shows_as_much_as_has_room(rows: int, bought: int, shown: int) -> None:
    points = drawn(rows, buy(bought))["points"]
    spread = sum(point["told"]["intent"]["kind"] == "accepted" for point in points)
    assert (len(points), spread) == (shown, rows - bought)


def test_a_bought_row_shows_its_own_label_and_another_one_its_sources() -> None:
    told = {point["uid"]: point["told"] for point in drawn(50, buy(10))["points"]}
    assert told["u3"]["intent"] == {"label": "debug", "kind": "audit", "confidence": 1.0, "sources": []}
    assert (told["u2"]["topic"]["kind"], told["u2"]["topic"]["label"]) == ("missing", "no answer")
    source = {"uid": "u0", "label": "learn", "distance": 0.0}
    assert told["u40"]["intent"] == {"label": "learn", "kind": "accepted", "confidence": 0.9, "sources": [source]}
    assert told["u40"]["topic"]["kind"] == "open"


def test_rows_whose_question_failed_are_not_on_the_map() -> None:
    whole = Chosen(np.arange(10), np.zeros(10, bool))
    points = drawn(50, buy(8), whole)["points"]
    assert {"u8", "u9"}.isdisjoint(point["uid"] for point in points)
    assert len(points) == 48


def test_clusters_are_counted_in_the_whole_table_and_described_from_samples_of_each() -> None:
    clusters = np.repeat(np.arange(-1, 700), [3, 500, *[5] * 699]).astype(np.int32)
    found = drawn(len(clusters), buy(9), clusters=clusters)["clusters"]
    assert (found["found"], found["outliers"], found["sampled"]) == (700, 3, ROWS_A_CLUSTER)
    assert [row["cluster"] for row in found["rows"]] == [*range(LISTED), -1]
    assert [row["size"] for row in found["rows"]] == [500, *[5] * (LISTED - 1), 3]
    assert found["rows"][1]["labels"] == {"intent": [("learn", 1.0)], "topic": [("left open", 1.0)]}
    assert found["rows"][-1]["labels"]["topic"] == [("games", 0.6667), ("no answer", 0.3333)]
    assert found["rows"][1]["medoid_text"].startswith("query ")


@pytest.mark.parametrize(
    ("reads", "expected"),
    [(("reasoning",), ["because", "whole"]), (("query", "reasoning"), ["why?\nbecause", "how?"]),
     (("transcript",), ["all", "whole"])],
)  # fmt: skip
def test_the_texts_shown_are_those_that_were_embedded(tmp_path: Any, reads: tuple[str, ...], expected: Any) -> None:
    columns = {"query": ["x", "why?", "how?"], "reasoning": [None, "because", ""], "transcript": ["-", "all", "whole"]}
    pa.parquet.write_table(pa.table(columns), tmp_path / "part.parquet")
    part = Part(0, str(tmp_path / "part.parquet"), 0, 1, 3)
    assert read_texts([part], {0: np.array([1, 2])}, reads) == expected


def stats(total: float = 0.0, **steps: Any) -> dict[str, Any]:
    """`steps`: calls, answers from the ledger, dollars."""
    by_step = {
        name: dict(zip(("calls", "from_ledger", "cost_usd"), found, strict=True)) for name, found in steps.items()
    }
    return {"by_step": by_step, "total_cost_usd": total or sum(found[2] for found in steps.values())}


def step(*dimensions: str, questions: int = 1) -> dict[str, Any]:
    return {"dimensions": list(dimensions), "questions": questions}


@pytest.mark.parametrize(
    ("steps", "found", "expected"),
    [
        # topic is open everywhere, so every row was asked: nothing was saved, whatever of intent spread.
        ({"a": step("intent", "topic")}, stats(a=(1_000, 0, 20.0)), {"intent": (10, 10), "topic": (10, 10)}),
        # People judged the bought rows, a model was asked about a tenth.
        ({"a": step("intent")}, stats(a=(100, 0, 1.0)), {"intent": (1, 10)}),
        ({"a": step("intent", questions=3)}, stats(a=(300, 0, 3.0)), {"intent": (3, 30)}),
        # What the ledger answered was paid by another run: the price is that of the others.
        ({"a": step("intent")}, stats(a=(200, 100, 1.0)), {"intent": (1, 10)}),
        # Arbitration's 2 dollars belong to both dimensions.
        ({"a": step("intent"), "b": step("topic")}, stats(8.0, a=(500, 0, 4.0), b=(1_000, 0, 2.0)),
         {"intent": (5, 10), "topic": (3, 3)}),
        ({"a": step("intent")}, {}, {}),
    ],
)  # fmt: skip
def test_what_labelling_everything_would_cost(steps: Any, found: Any, expected: dict[str, tuple[float, float]]) -> None:
    costs = cost_of(steps, 1_000, found)
    assert costs.keys() == expected.keys()
    for name, pair in expected.items():
        assert costs[name] == pytest.approx(pair)


def test_a_step_says_what_it_asks_for() -> None:
    settings = LabelStep(dimensions=("intent",), model="a", also_ask=("b",), prompt="p", samples=2)
    job = JobSpec.model_validate({"rayjob": 1, "name": "t", "input": "x", "taxonomy": "t", "output": "o"})
    job = job.model_copy(update={"steps": (Step(kind="label", name="first", settings=settings),)})
    assert questions_of(job) == {"first": {"dimensions": ["intent"], "questions": 4}}


KEPT: dict[str, Any] = {
    "rows": 100, "bought": 8, "others": 90, "audit": 4, "otherwise": "label", "curve": [[8, 0.5]],
    "thresholds": {"intent": THRESHOLD, "topic": {**THRESHOLD, "value": None, "accepted": 0}},
    "labelled": {"intent": 8, "topic": 5}, "spread": {"intent": 90, "topic": 0},
    "steps": {"a": step("intent", "topic")}, "embedding": {},
}  # fmt: skip


def test_every_row_is_counted_once_a_dimension() -> None:
    """Ten were chosen, two of those questions failed; the rest of intent was accepted."""
    found = summaries(KEPT, stats(a=(100, 0, 20.0)))
    names = ("bought", "spread", "sent_on", "missing", "failed")
    assert [[row[name] for name in names] for row in found] == [[8, 90, 0, 0, 2], [5, 0, 90, 3, 2]]
    assert all(sum(row[name] for name in names) == row["rows"] == 100 for row in found)
    assert [row["cost_usd"] for row in found] == [10, 10]


@pytest.mark.parametrize("clustered", [True, False])
def test_what_is_kept_makes_the_page(tmp_path: Any, clustered: bool) -> None:
    folder = RunFolder(str(tmp_path))
    clusters = np.arange(100, dtype=np.int32) % 5 if clustered else None
    folder.write_json(NAME, {**KEPT, "map": drawn(100, buy(8), clusters=clusters)})
    found = read_spreading(folder, stats(a=(100, 0, 20.0)))
    assert found is not None
    section, fragment = found
    json.dumps(section)
    assert section["dimensions"]["topic"]["missing"] == 3
    for text in ("Map of intent", "Map of topic", "100 of 100 rows"):
        assert text in fragment.body
    assert ("700 clusters, 3 outliers" in fragment.body) == clustered
    assert (", cluster 4" in fragment.body) == clustered
