"""What makes another run of a spec, and what does not: changes that alter an answer, and those that do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rayjob.cli.specs import open_spec
from rayjob.plan.fingerprint import differences, fingerprint, fingerprint_parts
from tests.shared_data import ROOT

SMALL = ROOT / "tests" / "spec" / "small"
SPEC = """
rayjob: 1
name: small
input: in.jsonl
taxonomy: taxonomy
models:
  worker: {model: openai/gpt-4o-mini, temperature: 0.1, api_base: "http://127.0.0.1:1/v1"}
  judge: {model: openai/gpt-4o}
steps:
  - prepare
  - label: {name: character, dimensions: [intent, difficulty], model: worker, prompt: prompts/character.j2}
  - label: {name: capability, dimensions: [language], model: worker, prompt: prompts/capability.j2}
  - arbitrate: {model: judge}
rules: rules.yaml
output: out
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with a spec and everything it names."""
    shutil.copytree(SMALL, tmp_path / "job")
    (tmp_path / "job" / "in.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "job" / "spec.yaml").write_text(SPEC, encoding="utf-8")
    prompts = tmp_path / "job" / "prompts"
    (prompts / "unused.j2").write_text("Nobody takes this in.", encoding="utf-8")
    (prompts / "shared.j2").write_text("Be brief.", encoding="utf-8")
    with (prompts / "capability.j2").open("a", encoding="utf-8") as file:
        file.write('{% include "shared.j2" %}\n')
    return tmp_path / "job"


def parts(folder: Path, *overrides: str) -> dict[str, str]:
    return fingerprint_parts(open_spec(str(folder / "spec.yaml"), overrides).resolved)


SAME = [
    "models.worker.api_base=http://elsewhere/v1",
    "models.worker.api_key_env=OTHER_KEY",
    "models.worker.limits={concurrency: 9, rpm: 60, tpm: 1000}",
    "models.worker.price={input_usd_per_mtok: 3}",
    "models.worker.transport=direct",
    "models.worker.timeout_s=5",
    "models.worker.deadline_s=50",
    "models.spare={model: openai/unused}",
    "budget={usd: 5}",
    "budget={usd: 5, then: [skip_arbitration, {use: judge}, stop]}",
    "ledger={path: elsewhere}",
    "run={actors: {max: 3}, stall_s: 5, max_failed: 10}",
    "output=elsewhere",
    "output.rows_per_file=10",
    "name=other",
]
DIFFERENT = [
    ("models.worker.temperature=0.2", "model worker changed"),
    ("models.worker.model=openai/gpt-4.1", "model worker changed"),
    ("models.worker.max_tokens=7", "model worker changed"),
    ("models.worker.params.top_p=0.5", "model worker changed"),
    ("models.worker.structured=json", "model worker changed"),
    ("models.judge.model=openai/o9", "model judge changed"),
    ("steps.1.label.temperature=0.4", "step character changed"),
    ("steps.2.label.tags=exact", "step capability changed"),
    ("steps.3.arbitrate.when.confidence_below=0.5", "step arbitrate changed"),
    ("steps.0.prepare.truncate.max_chars=5000", "step prepare changed"),
    ("input.sample=0.5", "input changed"),
    ("rules.evaluate=first_answer", "rules changed"),
    ("rules=null", "rules is gone"),
    ("models.judge.fallback=worker", "model judge changed"),
]


@pytest.mark.parametrize("override", SAME)
def test_how_it_is_called_is_no_other_run(job: Path, override: str) -> None:
    assert differences(parts(job), parts(job, override)) == []


@pytest.mark.parametrize(("override", "said"), DIFFERENT)
def test_what_it_answers_is_another_run(job: Path, override: str, said: str) -> None:
    before, now = parts(job), parts(job, override)
    assert differences(before, now) == [said]
    assert fingerprint(before) != fingerprint(now)


def rewrite(path: str, old: str, new: str) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        file = folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    return do


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rewrite("prompts/capability.j2", "You label", "You judge"), ["prompt prompts/capability.j2 changed"]),
        (rewrite("taxonomy/intent.yaml", "Wants to understand", "Asks how"), ["taxonomy intent changed"]),
        (rewrite("taxonomy/language.yaml", "[py]", "[py, py3]"), ["taxonomy language changed"]),
        (rewrite("rules.yaml", "an expert who learns", "learning expert"), ["rules changed"]),
        (rewrite("taxonomy/intent.yaml", "dimension: intent", "# a comment\ndimension: intent"), []),
        (rewrite("prompts/unused.j2", "Nobody", "No step"), []),
        (rewrite("prompts/shared.j2", "Be brief", "Be exact"), ["prompt prompts/shared.j2 changed"]),
    ],
)
def test_files_count_by_what_they_say(job: Path, change: Callable[[Path], None], said: list[str]) -> None:
    before = parts(job)
    change(job)
    assert differences(before, parts(job)) == said


def test_another_folder_is_the_same_run_but_for_its_input(job: Path, tmp_path: Path) -> None:
    before = parts(job)
    job.rename(tmp_path / "moved")
    assert differences(before, parts(tmp_path / "moved")) == ["input changed"]
    (tmp_path / "in.jsonl").write_text("{}\n", encoding="utf-8")
    at_home = parts(tmp_path / "moved", f"input.path={tmp_path}/in.jsonl")
    (tmp_path / "moved").rename(tmp_path / "again")
    assert parts(tmp_path / "again", f"input.path={tmp_path}/in.jsonl") == at_home


def test_a_fallback_counts_once_it_is_used(job: Path) -> None:
    spare = ["models.spare={model: openai/a}", "models.judge.fallback=spare"]
    before = parts(job, *spare)
    assert "model spare" in before
    assert differences(before, parts(job, *spare, "models.spare.model=openai/b")) == ["model spare changed"]


def test_new_and_gone_parts_are_named() -> None:
    assert differences({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == ["a is gone", "b changed", "c is new"]


PRINT = """
import sys
from rayjob.cli.specs import open_spec
from rayjob.plan.fingerprint import fingerprint, fingerprint_parts
opened = open_spec(sys.argv[1])
print(opened.plan.hash(), fingerprint(fingerprint_parts(opened.resolved)))
"""


def test_every_process_finds_the_same_hashes() -> None:
    found = set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", PRINT, "specs/quickstart.yaml"],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


def test_steps_in_another_order_are_the_same_plan(job: Path) -> None:
    before = open_spec(str(job / "spec.yaml"))
    lines = SPEC.strip().splitlines()
    at = lines.index("steps:") + 1
    lines[at : at + 4] = reversed(lines[at : at + 4])
    (job / "spec.yaml").write_text("\n".join(lines), encoding="utf-8")
    after = open_spec(str(job / "spec.yaml"))
    assert after.plan == before.plan
    assert after.plan.hash() == before.plan.hash()
    assert fingerprint_parts(after.resolved) == fingerprint_parts(before.resolved)
