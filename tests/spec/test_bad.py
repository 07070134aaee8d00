"""Bad specs beside the exact message they get: bad/X.yaml and bad/X.txt. RAYJOB_UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rayjob.cli.specs import open_spec
from rayjob.spec.base import SpecError

BAD = Path(__file__).parent / "bad"
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("case", CASES)
def test_a_bad_spec_gets_its_message(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(SpecError) as caught:
        open_spec(f"{case}.yaml")
    said = str(caught.value).replace(str(BAD.parent), "tests/spec") + "\n"
    golden = BAD / f"{case}.txt"
    if os.environ.get("RAYJOB_UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "case"),
    [
        ("validate", "five-problems"),
        ("validate", "yaml-bomb"),
        ("validate", "not-utf8"),
        ("plan", "five-problems"),
        ("run", "five-problems"),
    ],
)
def test_the_commands_exit_2_without_a_traceback(command: str, case: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from rayjob.cli import main; main()", command, f"{case}.yaml"],
        cwd=BAD, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    golden = (BAD / f"{case}.txt").read_text(encoding="utf-8")
    count = golden.count("\n")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.replace(str(BAD.parent), "tests/spec") == f"{count} problem{'s' * (count > 1)}:\n{golden}"


def test_no_message_repeats_a_key() -> None:
    assert all("sk-secret" not in path.read_text(encoding="utf-8") for path in BAD.glob("*.txt"))
