"""Input, output, ledger and checkpoint on S3 (moto's server): killed in the middle, gone on with, looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.commands import call
from tests.engine.rig import Done, Job, kill_group, make_job, provider, wait_until
from tests.s3_server import s3, s3_process

__all__ = ["s3", "s3_process"]
pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.timeout(400)]
RUN = "s3://bucket/labelled"


def uids_of(run: str) -> Counter[str]:
    from rayjob.store import files
    from rayjob.store.runfolder import RunFolder

    found: Counter[str] = Counter()
    for uri in [*RunFolder(run).parquet("labels"), *RunFolder(run).parquet("failures")]:
        with files.open_input(uri) as source:
            found.update(pq.read_table(source, columns=["uid"])["uid"].to_pylist())
    return found


def on_s3(folder: Path, url: str) -> Job:
    from rayjob.store import files

    job = make_job(folder, url, 60, concurrency=6, bad=["{broken"])
    files.write_atomic("s3://bucket/input/rows.jsonl", (folder / "input" / "rows.jsonl").read_bytes())
    job.output = RUN
    job.sets += ["input=s3://bucket/input/*.jsonl", "ledger={path: s3://bucket/ledger}"]
    return job


def test_a_run_on_s3_is_killed_and_goes_on(s3: str, tmp_path: Path) -> None:
    # A cluster of its own: the workers of the shared one know nothing of this S3 server.
    with provider(latency_s=0.5) as (server, paid):
        job = on_s3(tmp_path, server.url)
        process = job.start()
        assert wait_until(lambda: paid.total() > 40, process, 180), (tmp_path / "run.log").read_text()
        kill_group(process)
        in_flight = server.in_flight
        wait_until(lambda: not server.in_flight, None, 10)
        done: Done = job.run(timeout_s=200)
        assert done.code == 1, done.out
        uids = uids_of(RUN)
        assert (len(uids), set(uids.values())) == (61, {1})
        assert (len(paid), paid.twice <= in_flight + 24) == (120, True)
        shown = call("status", RUN)
        assert shown.code == 0
        assert "60 labelled" in shown.out
