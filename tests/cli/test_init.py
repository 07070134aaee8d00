"""`rayjob init`: from the checkout and from the built wheel, the folder it makes runs as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from rayjob.cli.init import SCAFFOLD
from tests.cli.commands import call
from tests.shared_data import ROOT

RAYJOB = [sys.executable, "-c", "from rayjob.cli import main; main()"]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_init_scaffolds_what_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call("init", str(tmp_path / "new" / "job"))
    assert done.code == 0
    assert done.out.endswith(f"now: cd {tmp_path}/new/job && rayjob run specs/quickstart.yaml\n")
    monkeypatch.chdir(tmp_path / "new" / "job")
    assert ": fine (quickstart: 4 steps" in call("validate", "specs/quickstart.yaml").out
    for path in ("specs/rayjob.schema.json", "examples/quickstart.jsonl", "taxonomy/code-sft/rules.yaml"):
        assert (Path(path)).read_bytes() == (ROOT / path).read_bytes()


def test_init_refuses_to_overwrite_and_says_what(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "quickstart.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / "other.txt").write_text("mine", encoding="utf-8")
    done = call("init", str(tmp_path))
    assert done.code == 2
    assert f"files are in {tmp_path} already:\n  specs/quickstart.yaml\nTwo ways on" in done.err
    assert tree(tmp_path) == ["other.txt", "specs/quickstart.yaml"]
    assert call("init", str(tmp_path), "--force").code == 0
    assert (tmp_path / "specs" / "quickstart.yaml").read_text(encoding="utf-8") != "mine"
    assert (tmp_path / "other.txt").read_text(encoding="utf-8") == "mine"


def test_init_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("mine", encoding="utf-8")
    done = call("init", str(tmp_path))
    assert (done.code, done.err) == (2, f"cannot write {tmp_path}/specs: File exists\n")


def test_init_writes_no_bucket() -> None:
    assert call("init", "s3://bucket/job").code == 2


def test_the_wheel_is_told_to_carry_the_scaffold() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        included = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {name.split("/")[0] for name in SCAFFOLD} == included.keys()
    assert all(target == f"rayjob/scaffold/{name}" for name, target in included.items())


def test_the_wheel_carries_what_init_scaffolds(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building the wheel without the network needs hatchling")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("rayjob-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = subprocess.run(
        [sys.executable, "-c", "import rayjob; print(rayjob.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(tmp_path / "site" / "rayjob" / "__init__.py")
    for arguments in (["init", "job"], ["validate", "job/specs/quickstart.yaml"]):
        subprocess.run([*RAYJOB, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True)
    call("init", str(tmp_path / "from-checkout"))
    assert tree(tmp_path / "job") == tree(tmp_path / "from-checkout")
