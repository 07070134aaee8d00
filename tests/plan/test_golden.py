"""Every shipped spec beside its plan, as a tree and as Mermaid: golden/NAME.txt. RAYJOB_UPDATE_GOLDEN=1 rewrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rayjob.cli.specs import open_spec
from rayjob.plan.show import show_mermaid, show_tree
from tests.shared_data import ROOT

GOLDEN = Path(__file__).parent / "golden"
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))


@pytest.mark.parametrize("name", SPECS)
def test_a_shipped_spec_has_its_plan(name: str) -> None:
    opened = open_spec(str(ROOT / "specs" / f"{name}.yaml"))
    text = f"{show_tree(opened.plan, opened.resolved)}\n\n{show_mermaid(opened.plan)}\n"
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("RAYJOB_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert golden.exists(), f"no golden plan of specs/{name}.yaml; RAYJOB_UPDATE_GOLDEN=1 pytest tests/plan writes it"
    assert text == golden.read_text(encoding="utf-8")


def test_no_plan_is_left_of_a_spec_that_is_gone() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == SPECS
