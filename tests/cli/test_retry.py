"""`rayjob retry`: which kinds, which model."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from rayjob.cli.retry import RETRIED, known_failures, parse_kinds, recorded_spec, use_model
from rayjob.cli.run import UserError
from rayjob.cli.specs import open_spec
from rayjob.spec.models import ModelSpec
from rayjob.spec.yamltext import parse_yaml
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from tests.cli.commands import call
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


def test_a_recorded_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"spec": {"name": "😀"}}), encoding="utf-8")
    assert parse_yaml(recorded_spec(RunFolder(str(tmp_path))), "run.json").value == {"name": "😀"}


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    done = call("retry", str(tmp_path))
    assert (done.code, done.err) == (2, f"{tmp_path} holds no run: its run.json is missing\n")


def test_failures_count_whether_or_not_a_session_ended(tmp_path: Path) -> None:
    """A killed run left no stats, and retry said that there was nothing to do."""
    folder = RunFolder(str(tmp_path))
    write_parquet(folder.at("failures", "a.parquet"), pa.table({"kind": ["timeout", "timeout", "filtered"]}))
    assert known_failures(folder) == {"timeout": 2, "filtered": 1}
    folder.write_json("stats.json", {"failures": {"timeout": 1, "server": 4}})  # a killed retry took the four back
    assert known_failures(folder) == {"timeout": 2, "filtered": 1, "server": 4}
