"""The table of commands: each loads, help needs none of them, and what only reads a spec stays light."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rayjob.cli.app import COMMANDS, load_command
from rayjob.cli.run import output_at
from rayjob.cli.specs import open_spec
from tests.cli.commands import call
from tests.shared_data import ROOT

HEAVY = ("ray", "litellm", "torch", "sentence_transformers", "sklearn", "scipy", "pyarrow", "pandas", "numpy", "rich")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_says_what_it_does(name: str) -> None:
    assert load_command(name).help
    done = call(name, "--help")
    assert done.code == 0
    assert f"Usage: root {name} [OPTIONS]" in done.out


def test_help_lists_every_command_once() -> None:
    done = call("--help")
    for name in COMMANDS:
        assert done.out.count(f"\n  {name} ") == 1


LOADED = """
import sys
from rayjob.cli import main
try:
    main()
finally:
    print(" ".join(sorted({heavy!r} & set(sys.modules))), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["validate", "specs/quickstart.yaml"],
        ["plan", "--graph", "specs/quickstart.yaml"],
        ["plan", "--mermaid", "specs/quickstart.yaml"],
        ["schema"],
    ],
)
def test_what_only_reads_a_spec_loads_nothing_heavy(arguments: list[str]) -> None:
    code = LOADED.format(heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_validate_costs_less_than_a_second_of_an_idle_machine() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "from rayjob.cli import main; main()", "validate", "specs/quickstart.yaml"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu_s < 1.5  # 0.7 s where nothing else runs; a busy machine's caches cost some more


BUG = """
import sys
import rayjob.cli.validate
def fail(*_): raise {error}
rayjob.cli.validate.open_spec = fail
from rayjob.cli import main
main()
"""


@pytest.mark.parametrize(
    ("error", "code", "said"), [("KeyError('x')", 70, "Traceback"), ("KeyboardInterrupt", 130, "")]
)
def test_what_was_not_foreseen_has_a_code_of_its_own(error: str, code: int, said: str) -> None:
    command = [sys.executable, "-c", BUG.format(error=error), "validate", "a.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)


def test_an_estimate_loads_neither_ray_nor_torch_nor_litellm() -> None:
    code = LOADED.format(heavy={"ray", "litellm", "torch", "sklearn"})
    command = [sys.executable, "-c", code, "plan", "specs/quickstart.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "calls: " in done.stdout


def test_the_time_of_an_offline_model_is_not_that_of_a_providers_answers() -> None:
    judge = ["--set", "models.judge.model=openai/gpt-4o-mini"]
    done = call("plan", str(ROOT / "specs" / "quickstart.yaml"), "--latency", "9", *judge)
    assert [line for line in done.out.splitlines() if line.startswith("time of ")] == [
        "time of worker: less than 1 s (CPU less than 1 s; at 5 ms of one process an answer)",
        "time of judge: 6 s (concurrency 6 s; at 9 s an answer)",
    ]


def test_the_plan_predicts_a_call_for_each_label_step_and_conversation() -> None:
    done = call("plan", str(ROOT / "specs" / "quickstart.yaml"))
    lines = (ROOT / "examples" / "quickstart.jsonl").read_text(encoding="utf-8").splitlines()
    samples = len(lines) + len(json.loads((ROOT / "examples" / "more.json").read_text(encoding="utf-8")))
    assert re.search(rf"^character +worker +{samples} ", done.out, re.MULTILINE)
    assert re.search(rf"^capability +worker +{samples} ", done.out, re.MULTILINE)


def test_mermaid_and_graph_print_nothing_else() -> None:
    spec = str(ROOT / "specs" / "quickstart.yaml")
    assert call("plan", "--mermaid", spec).out.startswith("flowchart LR\n")
    assert call("plan", "--graph", spec).out.splitlines()[-1].endswith("arbitrate  judge = offline/lexical")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "nowhere.yaml"], "1 problem:\nnowhere.yaml: cannot read the spec: no such file\n"),
        (["validate", str(ROOT)], f"1 problem:\n{ROOT}: cannot read the spec: it is a folder"),
        (["run", "a.yaml", "--resume", "always"], "--resume takes 'changed', found 'always'"),
        (["run", "nowhere.yaml"], "1 problem:\nnowhere.yaml: cannot read the spec: no such file\n"),
        (["plant"], "Usage: "),
        (["validate"], "Usage: "),
    ],
)
def test_what_the_user_must_fix_exits_2(arguments: list[str], said: str) -> None:
    done = call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(said)


def test_a_misspelt_command_is_guessed() -> None:
    assert "no command called 'plant' (have: init, validate" in call("plant").err
    assert "did you mean 'plan'?" in call("plant").err


def test_what_nobody_reads_is_said(tmp_path: Path) -> None:
    text = (ROOT / "specs" / "quickstart.yaml").read_text(encoding="utf-8").replace("steps:", "steps:\n  - embed")
    (tmp_path / "spec.yaml").write_text(text.replace("../", f"{ROOT}/"), encoding="utf-8")
    said = "left out: embed (no step reads vector)\n"
    assert call("validate", str(tmp_path / "spec.yaml")).out.startswith(said)
    assert call("plan", "--graph", str(tmp_path / "spec.yaml")).out.endswith(said)


def test_output_is_relative_to_where_we_are() -> None:
    assert output_at("s3://bucket/a b") == 'output.path="s3://bucket/a b"'
    assert output_at("out: 1") == f'output.path="{os.getcwd()}/out: 1"'
    assert (
        open_spec(str(ROOT / "specs" / "quickstart.yaml"), [output_at("/a/#b: c")]).resolved.job.output.path
        == "/a/#b: c"
    )


def test_a_key_that_is_not_set_is_named_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYJOB_TEST_KEY", raising=False)
    done = call("run", str(ROOT / "specs" / "quickstart.yaml"), "--set", "models.judge.api_key_env=RAYJOB_TEST_KEY")
    assert done.code == 2
    assert done.err == "these variables hold keys and are not set: RAYJOB_TEST_KEY (models.judge.api_key_env)\n"


@pytest.mark.parametrize("option", ["--limit", "--sample"])
def test_none_of_the_records_is_not_all_of_them(option: str, tmp_path: Path) -> None:
    done = call("run", str(ROOT / "specs" / "quickstart.yaml"), option, "0", "--output", str(tmp_path / "run"))
    assert done.code == 2
    assert not (tmp_path / "run").exists()


def test_an_output_may_be_called_anything(tmp_path: Path) -> None:
    spec = str(ROOT / "specs" / "quickstart.yaml")
    for name in ("😀", 'a "b"', "ä # c", "x: y"):
        opened = open_spec(spec, [output_at(str(tmp_path / name))])
        assert opened.resolved.job.output.path == str(tmp_path / name)


def test_the_plan_counts_the_reasonings_that_will_be_generated(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1?", "reasoning": "So 2.", "answer": "2"}\n' * 3)
    prompt = ROOT / "prompts" / "choice" / "sides.j2"
    (tmp_path / "spec.yaml").write_text(
        "rayjob: 1\nname: t\ninput: {path: rows.jsonl, format: reasoning}\noutput: out\n"
        "models: {worker: {model: openai/x, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}}\nsteps:\n"
        f"  - generate: {{mode: sides, samples: 2, model: worker, prompt: {prompt}}}\n"
        "  - choose: {weights: model.safetensors}\n"
    )
    done = call("plan", str(tmp_path / "spec.yaml"))
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^generate +worker +12 ", done.out, re.MULTILINE), done.out
    assert "calls: 12\n" in done.out
