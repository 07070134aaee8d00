"""`rayjob retry`: which kinds, which model; and on real failures, asked again and merged into the same run."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from rayjob.cli.retry import RETRIED, parse_kinds, use_model
from rayjob.cli.run import UserError
from rayjob.cli.specs import open_spec
from rayjob.spec.models import ModelSpec
from tests.cli.commands import call
from tests.engine.leaks import SECRET, leaks, leaks_of_ray
from tests.engine.rig import MARK, START, answer_of, make_job
from tests.llm_server import Body, Script, serve, status
from tests.shared_data import ROOT


def test_kinds() -> None:
    assert parse_kinds(" timeout, filtered,timeout") == ("timeout", "filtered")
    assert parse_kinds("") == RETRIED
    assert "unreadable" not in RETRIED
    with pytest.raises(UserError, match=r"no kind of failure called 'timeouts'.*did you mean 'timeout'"):
        parse_kinds("timeouts")
    with pytest.raises(UserError, match="holds no conversation"):
        parse_kinds("timeout,empty")


def test_another_model_is_one_of_the_spec_or_litellms() -> None:
    opened = open_spec(str(ROOT / "specs" / "quickstart.yaml"))
    assert use_model(opened, "judge") == ['steps.1.label.model="judge"', 'steps.2.label.model="judge"']
    with pytest.raises(UserError, match=r"no model called 'jugde'.*did you mean 'judge'"):
        use_model(opened, "jugde")


def test_another_provider_gets_nothing_that_was_said_of_the_old_one() -> None:
    old = [
        "models.worker.api_base=http://127.0.0.1:1/v1",
        "models.worker.temperature=0.2",
        "models.worker.params.top_p=1",
    ]
    old += ["models.worker.price={input_usd_per_mtok: 1}", "models.worker.api_key_env=OLD_KEY"]
    quickstart = str(ROOT / "specs" / "quickstart.yaml")

    def asked(before: str, after: str, *sets: str) -> ModelSpec:
        opened = open_spec(quickstart, [*old, f"models.worker.model={before}"])
        used = use_model(opened, after)
        return open_spec(quickstart, [*old, f"models.worker.model={before}", *used, *sets]).resolved.job.models[
            "worker"
        ]

    other = asked("hosted_vllm/a", "anthropic/b", "models.worker.api_key_env=NEW_KEY")
    assert other == ModelSpec(model="anthropic/b", temperature=0.2, api_key_env="NEW_KEY", max_tokens=other.max_tokens)
    same = asked("hosted_vllm/a", "hosted_vllm/b")
    assert (same.model, same.api_base, same.api_key_env, same.params, same.price) == (
        "hosted_vllm/b", "http://127.0.0.1:1/v1", "OLD_KEY", {"top_p": 1}, None,
    )  # fmt: skip


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    done = call("retry", str(tmp_path))
    assert (done.code, done.err) == (2, f"{tmp_path} holds no run: its run.json is missing\n")


def retry(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`rayjob retry` in a process of its own, as users run it."""
    command = [*START, "retry", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ}, timeout=200)


@pytest.mark.ray
@pytest.mark.timeout(480)  # three runs, each with a Ray of its own
def test_failed_rows_are_asked_another_model_and_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_KEY", SECRET)
    began = time.time()

    def answer(body: Body) -> str:
        mark = MARK.search(json.dumps(body["messages"]))
        return "no JSON" if mark and int(mark[1]) < 3 and body["model"] == "scripted" else answer_of(body)

    with serve(Script(answer=answer, faults=[status(500, f"{SECRET} is a fine key")])) as server:
        job = make_job(tmp_path, server.url, rows=12)
        job.sets.append("models.worker.api_key_env=SMALL_KEY")
        first = job.run()
        assert (first.code, job.column("failures", "kind")) == (1, ["unparsable"] * 3), first.out
        parts = job.manifest()["parts"]

        idle = retry(job.out, "--only", "timeout")
        assert (idle.returncode, idle.stdout) == (0, f"{job.out}: nothing to do (failures: unparsable 3)\n")

        before = server.outcomes["ok"]
        again = retry(job.out, "--only", "unparsable,timeout", "--model", "openai/better")
        assert again.returncode == 0, again.stdout + again.stderr
        assert server.outcomes["ok"] - before == 6
        assert job.column("failures", "kind") == []
        assert sorted(job.uids().values()) == [1] * 12
        assert job.manifest()["parts"] == parts
        assert job.manifest()["spec"]["models"]["worker"]["model"] == "openai/scripted"
        assert json.loads((job.out / "stats.json").read_text(encoding="utf-8"))["failed"] == 0

        before = server.outcomes["ok"]
        assert job.run().code == 0
        assert server.outcomes["ok"] == before
        assert retry(job.out).stdout == f"{job.out}: nothing to do (failures: no failed row)\n"
        assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}
    assert leaks(job.out, first.out + again.stdout + again.stderr) == []
    assert leaks_of_ray(began) == []
