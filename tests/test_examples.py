"""The made-up example inputs are what the tools that made them write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.shared_data import ROOT


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("make_request_examples", ["examples_requests/requests.jsonl"]),
        (
            "make_reasoning_examples",
            ["examples_reasoning/chains.jsonl", "examples_choice/train.jsonl", "examples_choice/choose.jsonl"],
        ),
    ],
)
def test_examples_are_made_by_their_tool(
    name: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tool(name)
    monkeypatch.setattr(made, "__file__", str(tmp_path / "tools" / f"{name}.py"))
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    made.main()
    for file in files:
        assert (tmp_path / file).read_bytes() == (ROOT / file).read_bytes(), file
