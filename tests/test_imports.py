"""The layers of the package hold, and what only reads a spec stays fast."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.shared_data import ROOT


def load() -> ModuleType:
    """The check is a script in a dot folder, not a module of the package."""
    spec = importlib.util.spec_from_file_location("ci_imports", ROOT / ".ci" / "imports.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


check = load()


def test_the_package_keeps_its_layers() -> None:
    assert [str(violation) for violation in check.check_tree(ROOT)] == []


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("rayjob/labels/tags.py", "import ray", "labels imports ray: only engine may"),
        ("rayjob/cli/run.py", "def go():\n    import ray.data", "cli imports ray: only engine may"),
        ("rayjob/steps/label.py", "from litellm import acompletion", "steps imports litellm: only llm may"),
        ("rayjob/steps/embed.py", "import torch.nn as nn", "steps imports torch: only choice may"),
        ("rayjob/__init__.py", "import sentence_transformers", "rayjob imports sentence_transformers: only choice may"),
        ("rayjob/steps/label.py", "from rayjob.reports import page", "siblings do not know each other"),
        ("rayjob/steps/label.py", "from rayjob import engine", "imports point the other way"),
        ("rayjob/labels/tags.py", "from ..plan.model import Plan", "imports point the other way"),
        ("rayjob/labels/tags.py", "from rayjob.spec.model import JobSpec", "siblings do not know each other"),
        ("rayjob/labels/tags.py", "from rayjob.spec import model", "siblings do not know each other"),
        ("rayjob/steps/label.py", "from rayjob.store import folder", "steps imports store: it reads no files"),
        ("rayjob/cli/run.py", "import rayjob.tools.x", "tools is not a layer"),
    ],
)
def test_a_wrong_import_is_named(path: str, source: str, message: str) -> None:
    found = list(check.check_file(Path(path), source))
    assert len(found) == 1
    assert message in str(found[0])
    assert str(found[0]).startswith(f"{path}:{source.count(chr(10)) + 1}: ")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rayjob/engine/build.py", "import ray.data\nfrom rayjob.steps.label import LabelStep"),
        ("rayjob/llm/client.py", "import litellm\nfrom rayjob.labels.asking import Reply"),
        ("rayjob/labels/tags.py", "from rayjob.spec.base import Problem\nfrom .taxonomy import Tag"),
        ("rayjob/labels/tags.py", "from rayjob.spec import base"),
        ("rayjob/cli/run.py", "from rayjob.engine import run\nimport rayjob.store.folder"),
        ("rayjob/steps/label.py", "import rayjob\nimport raylike\nfrom . import prepare"),
        ("rayjob/__main__.py", "from rayjob.cli import main"),
    ],
)
def test_a_right_import_passes(path: str, source: str) -> None:
    assert list(check.check_file(Path(path), source)) == []


def test_the_script_prints_and_exits_1(tmp_path: Path) -> None:
    bad = tmp_path / "rayjob" / "labels" / "tags.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("import ray\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "imports.py"), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == "rayjob/labels/tags.py:1: labels imports ray: only engine may\n"


IMPORT_ALL = """
import importlib, pkgutil, sys
for name in {packages!r}:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
print(" ".join(sorted(set({heavy!r}) & set(sys.modules))))
"""

LIGHT = ("rayjob.spec", "rayjob.plan", "rayjob.labels")
HEAVY = ("ray", "litellm", "torch", "sentence_transformers", "sklearn", "scipy", "pyarrow", "pandas")


def test_reading_a_spec_loads_nothing_heavy() -> None:
    code = IMPORT_ALL.format(packages=LIGHT, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
