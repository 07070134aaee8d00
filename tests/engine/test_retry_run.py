"""`rayjob retry` on real failures: asked again, another model if wanted, and merged into the same run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.commands import call
from tests.engine.leaks import SECRET, leaks, leaks_of_ray
from tests.engine.rig import MARK, answer_of, make_job
from tests.llm_server import Body, Script, serve, status

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


def test_failed_rows_are_asked_another_model_and_merged(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALL_KEY", SECRET)
    began = time.time()

    def answer(body: Body) -> str:
        mark = MARK.search(json.dumps(body["messages"]))
        return "no JSON" if mark and int(mark[1]) < 3 and body["model"] == "scripted" else answer_of(body)

    with serve(Script(answer=answer, faults=[status(500, f"{SECRET} is a fine key")])) as server:
        job = make_job(tmp_path, server.url, rows=12)
        job.sets.append("models.worker.api_key_env=SMALL_KEY")
        first = job.call()
        assert (first.code, job.column("failures", "kind")) == (1, ["unparsable"] * 3), first.out
        parts = job.manifest()["parts"]

        idle = call("retry", str(job.out), "--only", "timeout")
        assert (idle.code, idle.out) == (0, f"{job.out}: nothing to do (failures: unparsable 3)\n")

        before = server.outcomes["ok"]
        again = call("retry", str(job.out), "--only", "unparsable,timeout", "--model", "openai/better")
        assert again.code == 0, again.out + again.err
        assert server.outcomes["ok"] - before == 6
        assert job.column("failures", "kind") == []
        assert sorted(job.uids().values()) == [1] * 12
        assert job.manifest()["parts"] == parts
        assert job.manifest()["spec"]["models"]["worker"]["model"] == "openai/scripted"
        assert json.loads((job.out / "stats.json").read_text(encoding="utf-8"))["failed"] == 0

        before = server.outcomes["ok"]
        assert job.call().code == 0
        assert server.outcomes["ok"] == before
        assert call("retry", str(job.out)).out == f"{job.out}: nothing to do (failures: no failed row)\n"
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
    assert leaks(job.out, first.out + again.out + again.err) == []
    assert leaks_of_ray(began) == []
