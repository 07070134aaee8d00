"""Runs from end to end: real HTTP, real Ray, a scripted provider that counts what was paid."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.leaks import SECRET, files_with_key, leaks
from tests.engine.rig import Job, make_job, provider
from tests.llm_server import Fault, status

pytestmark = [pytest.mark.ray, pytest.mark.timeout(200)]
PRICE = "models.worker.price={input_usd_per_mtok: 100, output_usd_per_mtok: 1000}"


def stats_of(job: Job) -> dict[str, object]:
    found: dict[str, object] = json.loads((job.out / "stats.json").read_text(encoding="utf-8"))
    return found


def cluster_folder() -> Path:
    """Where the cluster that these tests share keeps its logs."""
    import ray

    return Path(ray._private.worker._global_node.get_session_dir_path())  # Ray has no public name for it


def test_every_record_is_accounted_for_and_a_second_run_pays_nothing(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_KEY", SECRET)
    bad = ["{broken", "null", '{"conversations": []}']
    faults = [status(400, f"the key {SECRET} looks odd"), Fault("filtered")]  # the second is asked again, plainly
    with provider(faults=faults) as (server, paid):
        server.keep_bodies = True
        job = make_job(tmp_path, server.url, 24, bad=bad)
        job.sets.append("models.worker.api_key_env=SMALL_KEY")
        done = job.call()
        assert (done.code, paid.total()) == (1, 47), done.out
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
        stats = stats_of(job)
        assert (stats["total_samples"], stats["success"], stats["failed"]) == (27, 23, 4)
        assert Counter(job.column("failures", "kind")) == {"unreadable": 2, "empty": 1, "bad_request": 1}
        assert set(job.uids().values()) == {1}
        assert len(job.uids()) == 27
        assert job.manifest()["counts"] == {"total": 27, "done": 23, "failed": 4, "left": 0}
        assert "23 labelled" in done.out
        assert "4 failed" in done.out
        before = paid.total()
        assert job.call().code == 1
        assert paid.total() == before
        assert len(job.uids()) == 27
    assert leaks(job.out, done.out) == []
    assert files_with_key(cluster_folder()) == []


def test_a_budget_stops_a_run_and_another_one_finishes_it(cluster: str, tmp_path: Path) -> None:
    with provider(latency_s=0.05) as (server, paid):
        job = make_job(tmp_path, server.url, 40, concurrency=4)
        job.sets.append(PRICE)
        whole = job.call(sets=["budget={usd: 1.0}"])
        spent = job.manifest()["cost_usd"]
        assert (whole.code, paid.total()) == (3, paid.total()), whole.out
        assert "budget" in whole.out
        assert 0.6 < spent < 1.1, "4 calls in flight cost 0.1 and little more than the budget is spent"
        first = paid.total()
        assert 0 < first < 80
        again = job.call(sets=["budget={usd: 100}"])
        assert again.code == 0, again.out
        assert (paid.total(), paid.twice, len(job.uids())) == (80, 0, 40)
        assert set(job.uids().values()) == {1}


def test_a_key_that_is_refused_stops_the_run_and_it_goes_on_later(cluster: str, tmp_path: Path) -> None:
    with provider() as (server, paid):
        job = make_job(tmp_path, server.url, 20, concurrency=4)
        server.script.storm = {"401": 1.0}
        done = job.call()
        assert (done.code, paid.total()) == (3, 0)
        assert "auth" in done.out
        assert server.outcomes.total() < 20, "the run stopped early"
        server.script.storm = {}
        assert job.call().code == 0
        assert (paid.total(), paid.twice, len(job.uids())) == (40, 0, 20)


def test_too_many_failed_rows_stop_the_run(cluster: str, tmp_path: Path) -> None:
    with provider(storm={"400": 1.0}, latency_s=0.0) as (server, _):
        job = make_job(tmp_path, server.url, 600, concurrency=4)
        done = job.call(sets=["run.max_failed=5"])
        assert done.code == 1
        counts = job.manifest()["counts"]
        assert counts["failed"] > 5
        assert counts["left"] > 0, "the rest was left alone"
        assert "max_failed" in json.dumps(job.events("note"))


def test_a_changed_spec_is_refused_and_then_pays_only_what_changed(cluster: str, tmp_path: Path) -> None:
    with provider() as (server, paid):
        job = make_job(tmp_path, server.url, 16)
        assert job.call().code == 0
        assert paid.total() == 32
        job.rewrite("second.j2", "Choose topics.", "Choose all topics.")
        refused = job.call()
        assert refused.code == 2
        assert "second.j2" in refused.out
        assert "--resume changed" in refused.out
        assert paid.total() == 32
        assert job.call("--resume", "changed").code == 0
        assert (paid.total(), paid.twice) == (48, 0), "only call 2 was paid again"
        job.rewrite("taxonomy/intent.yaml", "Wants to understand.", "Wishes to understand.")
        assert job.call("--resume", "changed").code == 0
        assert (paid.total(), paid.twice) == (64, 0), "only call 1: its answers, and so call 2's prompts, are the same"
        assert sorted(job.uids().values()) == [1] * 16


def test_the_watchdog_says_what_is_stuck(cluster: str, tmp_path: Path) -> None:
    with provider(faults=[Fault("hang")] * 4) as (server, _):
        job = make_job(tmp_path, server.url, 8, concurrency=4)
        assert job.call(sets=["run.stall_s=2", "models.worker.timeout_s=6"]).code == 0
        said = {event["step"]: event["in_flight"] for event in job.events("stalled")}
        assert said["first"] == 4
        assert len(job.uids()) == 8
