"""`rayjob taxonomy check`: the shipped one passes, a broken one is told with file and line, exit 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import call
from tests.shared_data import ROOT

SMALL = ROOT / "tests" / "spec" / "small"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SMALL / "taxonomy", tmp_path / "taxonomy")
    return tmp_path / "taxonomy"


def test_the_shipped_taxonomy_has_no_error() -> None:
    done = call("taxonomy", "check", str(ROOT / "taxonomy" / "code-sft"))
    assert done.code == 0
    assert "9 dimensions, 221 tags, 0 errors" in done.out


def test_every_problem_has_its_place(folder: Path) -> None:
    (folder / "intent.yaml").write_text("dimension: intent\nselect: one\ntags: [{id: x}]\n", encoding="utf-8")
    (folder / "more.yaml").write_text("dimension: more\nselect: multi\ntags: x\n", encoding="utf-8")
    done = call("taxonomy", "check", str(folder))
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == "2 problems:"
    assert f"{folder}/intent.yaml:2: select: " in done.err
    assert f"{folder}/more.yaml:3: tags: " in done.err


def test_rules_beside_it_are_checked_too(folder: Path) -> None:
    shutil.copy(SMALL / "bad_rules.yaml", folder / "rules.yaml")
    done = call("taxonomy", "check", str(folder))
    assert done.code == 2
    assert f"{folder}/rules.yaml:2: [0].when.intent: no tag in intent called 'lern'" in done.err


def test_errors_of_the_lint_exit_2_and_warnings_only_with_strict(folder: Path) -> None:
    text = (folder / "language.yaml").read_text(encoding="utf-8")
    (folder / "language.yaml").write_text(text.replace("golang", "learn"), encoding="utf-8")
    assert call("taxonomy", "check", str(folder)).code == 0
    strict = call("taxonomy", "check", str(folder), "--strict")
    assert (strict.code, strict.out.split(":")[0]) == (2, "warning")
    (folder / "language.yaml").write_text(text.replace("golang", "py"), encoding="utf-8")
    done = call("taxonomy", "check", str(folder))
    assert (done.code, done.out.split(":")[0]) == (2, "error")


@pytest.mark.parametrize(("name", "said"), [("nowhere", "no such file"), ("empty", "holds no dimension")])
def test_a_folder_without_a_taxonomy_is_no_taxonomy(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    done = call("taxonomy", "check", str(tmp_path / name))
    assert done.code == 2
    assert said in done.err
