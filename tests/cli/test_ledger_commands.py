"""`rayjob ledger`: counted, exported, pruned by age, model and step, compacted; nothing deleted without --yes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rayjob.cli.ledger import seconds
from rayjob.cli.run import UserError
from rayjob.labels.asking import Reply
from rayjob.llm.records import record_of
from rayjob.llm.segments import encode_record, encode_segment
from tests.cli.commands import call

HOUR_S = 3_600


def write(folder: Path, number: int, age_s: float, step: str, model: str = "openai/a") -> None:
    """A segment with one answer that cost half a dollar."""
    key = number.to_bytes(16, "big")
    reply = Reply(f"answer {number}", step, model, prompt_tokens=100, completion_tokens=10, cost_usd=0.5)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{int((time.time() - age_s) * 1000):013d}-w-{number:06d}-0.seg"
    (folder / name).write_bytes(encode_segment({key: encode_record(key, record_of(reply))}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder whose ledger has four answers."""
    for number, (age, step, model) in enumerate(
        [
            (48, "character", "openai/a"), (24, "capability", "openai/a"), (2, "character", "openai/b"),
            (1, "character", "openai/a"),
        ]
    ):  # fmt: skip
        write(tmp_path / "run" / "ledger", number, age * HOUR_S, step, model)
    return tmp_path / "run"


def exported(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in call("ledger", "export", str(folder)).out.splitlines()]


def test_list_counts_by_step_and_model(run: Path) -> None:
    for folder in (run, run / "ledger"):
        rows = [line.split() for line in call("ledger", "list", str(folder)).out.splitlines()]
        assert rows == [
            ["step", "model", "answers", "tokens", "USD"],
            ["capability", "openai/a", "1", "110", "0.5000"],
            ["character", "openai/a", "2", "220", "1.0000"],
            ["character", "openai/b", "1", "110", "0.5000"],
            ["all", "4", "440", "2.0000"],
        ]


def test_export_is_a_line_an_answer(run: Path, tmp_path: Path) -> None:
    assert [entry["text"] for entry in exported(run)] == [f"answer {number}" for number in range(4)]
    assert exported(run)[0] | {"entered": 0} == {
        "key": "0" * 32, "step": "character", "model": "openai/a", "prompt_tokens": 100, "completion_tokens": 10,
        "cost_usd": 0.5, "entered": 0, "text": "answer 0",
    }  # fmt: skip
    assert call("ledger", "export", str(run), str(tmp_path / "all.jsonl")).out.startswith("4 answers in ")
    assert len((tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (["--older-than", "12h"], [2, 3]),
        (["--older-than", "12h", "--step", "capability"], [0, 2, 3]),
        (["--model", "openai/b"], [0, 1, 3]),
        (["--step", "character"], [1]),
        (["--step", "nothing"], [0, 1, 2, 3]),
    ],
)
def test_prune_deletes_what_meets_every_condition(run: Path, conditions: list[str], left: list[int]) -> None:
    gone = 4 - len(left)
    said = call("ledger", "prune", str(run), *conditions)
    assert said.out == f"{gone} answers that cost ${gone / 2:.2f} would go; --yes deletes them\n"
    assert len(exported(run)) == 4
    assert f"{gone} answers removed" in call("ledger", "prune", str(run), *conditions, "--yes").out
    assert sorted(str(entry["text"]) for entry in exported(run)) == [f"answer {number}" for number in left]


def test_compact_keeps_every_answer_in_fewer_files(run: Path) -> None:
    assert call("ledger", "compact", str(run)).out == "4 segments → 1; 0 answers removed, 4 rewritten\n"
    assert len(list((run / "ledger").iterdir())) == 1
    assert len(exported(run)) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "nowhere"], "no answers at nowhere"),
        (["prune", "run"], "prune needs a condition"),
        (["prune", "run", "--older-than", "soon"], "--older-than takes a number and m, h, d or w"),
        (["export", "run", "none/a.jsonl"], "cannot write none/a.jsonl: No such file or directory"),
        (["export", "run", "s3://bucket/a.jsonl"], "export writes a local file or stdout"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    done = call("ledger", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)


def test_a_folder_above_a_ledger_is_none(run: Path) -> None:
    assert call("ledger", "list", str(run.parent)).code == 2


def test_ages() -> None:
    assert [seconds(age) for age in ("90m", "12h", "1.5d", "2w")] == [5_400, 43_200, 129_600, 1_209_600]
    for wrong in ("", "30", "d", "-1d", "1 month"):
        with pytest.raises(UserError):
            seconds(wrong)
