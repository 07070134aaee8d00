"""A run on S3 is watched like a local one, from the bucket alone."""

from __future__ import annotations

import json

import pytest

from rayjob.reports.run_files import ReportError, RunReader
from rayjob.store import files
from tests.s3_server import s3, s3_process

__all__ = ["s3", "s3_process"]
pytestmark = pytest.mark.s3

LINES = [
    json.dumps(event) + "\n"
    for event in (
        {"t": 1000.0, "event": "run_started", "run": "code-sft", "total_samples": 10},
        {"t": 1002.0, "event": "progress", "phase": "labelling", "rows_done": 4, "calls": 8},
        {"t": 1004.0, "event": "run_done", "status": "done", "counts": {"total": 10, "done": 10, "failed": 0}},
    )
]


def test_a_run_on_s3_is_followed_as_its_log_is_replaced(s3: str) -> None:
    folder = "s3://bucket/watched"
    reader = RunReader(folder)
    with pytest.raises(ReportError):
        reader.poll()
    for count, (status, done) in enumerate([("running", 0), ("running", 4), ("done", 10)], start=1):
        files.write_atomic(f"{folder}/events.jsonl", "".join(LINES[:count]))
        view = reader.poll()
        assert (view.status, view.rows_done) == (status, done)
    files.write_atomic(f"{folder}/stats.json", '{"failures": {"timeout": 2}}')
    assert reader.problems()[0].what == "2 samples failed: timeout"
