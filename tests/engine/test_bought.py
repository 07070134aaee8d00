"""Which of the chosen rows have a label of their own: neither what is missing nor what was spread is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayjob.engine.bought import answers, given, read_bought
from rayjob.engine.spread_table import SpreadTable
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.represent import Chosen

LABELS = pa.struct([("intent", pa.string()), ("topic", pa.list_(pa.string()))])
CONFIDENCE = pa.struct([("intent", pa.float64()), ("topic", pa.float64())])


@pytest.mark.parametrize(
    ("label", "confidence", "expected"),
    [
        ("debug", None, "debug"), ("debug", 0.0, "debug"), ("", 0.9, None), ("", None, None), (None, None, None),
        (["web"], None, ["web"]), ([], 0.8, []), ([], 1.0, []), ([], 0.0, None), ([], None, None), (None, 1.0, None),
    ],
)  # fmt: skip
def test_what_is_an_answer(label: Any, confidence: float | None, expected: Any) -> None:
    assert given(label, confidence) == expected


def test_tags_that_the_pool_lacks_are_no_answer_where_no_other_came() -> None:
    unmapped = [
        {"dimension": "topic", "value": "cooking", "kind": "violation"},
        {"dimension": "intent", "value": "cook", "kind": "suggestion"},
    ]
    row = {"labels": {"intent": "debug", "topic": []}, "confidence": {"intent": 0.8, "topic": 0.9}}
    assert answers({**row, "unmapped": unmapped}) == {"intent": "debug", "topic": None}
    assert answers({**row, "unmapped": unmapped[1:]}) == {"intent": "debug", "topic": []}
    row["labels"]["topic"] = ["web"]
    assert answers({**row, "unmapped": unmapped}) == {"intent": "debug", "topic": ["web"]}


def write(folder: RunFolder, name: str, rows: list[tuple[str, str, list[str] | None, float | None]]) -> None:
    columns = {
        "uid": [row[0] for row in rows],
        "labels": pa.array([{"intent": row[1], "topic": row[2]} for row in rows], LABELS),
        "confidence": pa.array([{"intent": None, "topic": row[3]} for row in rows], CONFIDENCE),
    }
    write_parquet(folder.at("labels", f"{name}.parquet"), pa.table(columns))


def test_answers_are_bought_and_what_was_spread_before_a_stop_is_not(tmp_path: Path) -> None:
    folder, uids = RunFolder(str(tmp_path)), [f"u{number}" for number in range(6)]
    table = SpreadTable(np.eye(6, dtype=np.float32), pa.chunked_array([uids]), np.array([0, 6]), np.arange(6))
    rounds = [Chosen(np.array([4, 0]), np.zeros(2, bool)), Chosen(np.array([1, 3]), np.array([False, True]))]
    write(folder, "3-ask-round-0", [("u0", "debug", [], 0.9), ("u4", "", ["web"], 1.0)])
    write(folder, "0f8e_000001_000000", [("u3", "learn", [], None)])
    write(folder, "5-propagate-part-00000", [("u1", "debug", ["web"], 0.9), ("u2", "learn", [], None)])
    bought = read_bought(folder, table, rounds, ["intent", "topic"])
    assert (bought.uids, bought.chosen.rows.tolist(), bought.rounds.tolist()) == (
        ("u4", "u0", "u3"),
        [4, 0, 3],
        [0, 0, 1],
    )
    assert bought.labels == {"intent": [None, "debug", "learn"], "topic": [["web"], [], None]}
    assert bought.up_to(0).labels["topic"] == [["web"], [], None]
