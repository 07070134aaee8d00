"""Runs that are killed or interrupted go on with the same command: every row once, next to nothing paid twice."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.engine.rig import Job, kill_group, make_job, provider, wait, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


def test_a_killed_driver_loses_nothing(cluster: str, tmp_path: Path) -> None:
    with provider(latency_s=0.4) as (server, paid):
        job = make_job(tmp_path, server.url, 120, concurrency=12, env={"RAY_ADDRESS": cluster})
        process = job.start()
        assert wait_until(lambda: paid.total() > 60, process, 150), (tmp_path / "run.log").read_text()
        kill_group(process)
        in_flight = server.in_flight
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda: not server.in_flight, None, 10)
        assert job.call().code == 0
        assert len(paid) == 240
        # One second's worth is what the ledger had not made durable (flush_s); 12 in flight at 0.4 s are 30 a second.
        assert paid.twice <= in_flight + 45
        assert (len(job.uids()), set(job.uids().values())) == (120, {1})
        before = paid.total()
        assert job.call().code == 0
        assert paid.total() == before


def test_the_first_interrupt_commits_what_is_finished(cluster: str, tmp_path: Path) -> None:
    with provider(latency_s=0.4) as (server, paid):
        job = make_job(tmp_path, server.url, 120, concurrency=8, env={"RAY_ADDRESS": cluster})
        process = job.start()
        assert wait_until(lambda: paid.total() > 30, process, 150), (tmp_path / "run.log").read_text()
        os.kill(process.pid, signal.SIGINT)
        assert wait(process, 100) == 3
        assert "the same command goes on" in (tmp_path / "run.log").read_text()
        counts = job.manifest()["counts"]
        assert counts["done"] == len(job.uids()) > 0
        assert counts["left"] > 0
        assert job.call().code == 0
        assert (len(job.uids()), paid.twice) == (120, 0)


def test_files_whose_commit_did_not_come_are_written_again(cluster: str, tmp_path: Path) -> None:
    with provider(faults=[]) as (server, paid):
        job = make_job(tmp_path, server.url, 32, bad=["{broken"], concurrency=8)
        job.sets.append("output={path: out, rows_per_file: 8}")
        assert job.call().code == 1
        labels = {row["uid"]: row["labels"] for row in job.rows("labels")}
        undo_commit(job)
        torn = job.out / "labels" / ".half.parquet.partial"
        torn.write_bytes(b"PAR1 and no more")
        before = paid.total()
        assert job.call().code == 1
        assert paid.total() == before, "the ledger knew every answer"
        assert {row["uid"]: row["labels"] for row in job.rows("labels")} == labels
        assert (len(job.uids()), set(job.uids().values())) == (33, {1})
        assert not list(job.out.rglob("*.pending.parquet"))


def undo_commit(job: Job) -> None:
    """As a kill between data and commit leaves it: one file's mark pending, another's with half of its data missing."""
    marks = sorted((job.out / "checkpoints").rglob("*.parquet"))
    assert len(marks) > 1, "several files, or the test shows nothing"
    for mark in marks[:2]:
        assert pq.read_metadata(mark).num_rows
        shutil.move(mark, mark.with_name(f"{mark.stem}.pending.parquet"))
    for file in job.out.glob("*/*.parquet"):
        if file.name.startswith(marks[1].stem) and file.parent.name in ("labels", "failures"):
            file.unlink()
