"""Sides and reviews on S3: the same files, another place."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.reports.labelled_files import read_labelled, read_texts
from rayjob.review.folder import read_review, write_review
from rayjob.store.files import write_atomic
from tests.review.reviews import make_review
from tests.s3_server import s3, s3_process  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("s3")]


def test_a_run_folder_on_s3_is_read_like_a_local_one():
    turns = json.dumps([{"from": "human", "value": "why?"}, {"from": "gpt", "value": "so"}])
    rows = [{"uid": f"f#{i}#0", "id": f"r{i}", "conversation": turns, "labels": {"intent": "build"}} for i in range(3)]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    folder = "s3://bucket/runs/one"
    write_atomic(f"{folder}/labels/part-0.parquet", out.getvalue())
    failed = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"uid": "f#9#0", "id": "r9", "kind": "timeout"}]), failed)
    write_atomic(f"{folder}/failures/part-0.parquet", failed.getvalue())
    write_atomic(f"{folder}/stats.json", b'{"total_llm_calls": 6}')
    sessions = [{"started": 10.0, "ended": 12.5}, {"started": 20.0, "ended": 21.0}]
    write_atomic(f"{folder}/run.json", json.dumps({"sessions": sessions, "dimensions": {"concept": "multi"}}).encode())
    found = read_labelled(folder)
    assert (found.name, found.ids, found.unlabelled) == ("one", ("r0", "r1", "r2"), ("r9",))
    assert (found.usage.calls, found.usage.seconds, found.multi) == (6, 3.5, {"concept"})
    assert read_texts(folder, ["r1"]) == {"r1": "user: why?\n\nassistant: so"}


def test_a_review_folder_can_stand_on_s3():
    review = make_review({"u1": "text"})
    written = write_review("s3://bucket/reviews/one", review, {"u1": "text"}, "xlsx")
    assert written[-1] == "s3://bucket/reviews/one/sheet-bob.xlsx"
    assert read_review("s3://bucket/reviews/one") == review
