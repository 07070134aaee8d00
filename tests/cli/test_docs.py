"""What is generated from the code is up to date: docs/spec.md, docs/commands.md, specs/rayjob.schema.json."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
import yaml

from tests.shared_data import ROOT


def load() -> ModuleType:
    """The tool is a script, not a module of the package."""
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_docs = load()


@pytest.mark.parametrize(("path", "text"), make_docs.generated().items(), ids=lambda value: str(value)[:40])
def test_a_generated_page_is_up_to_date(path: str, text: str) -> None:
    assert make_docs.read(path) == text, "run: python tools/make_docs.py"


def test_links_inside_the_spec_page_lead_somewhere() -> None:
    page = make_docs.read("docs/spec.md")
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def test_the_example_of_the_spec_page_is_a_spec() -> None:
    from rayjob.spec.load import load_spec

    (example,) = re.findall(r"```yaml\n(.+?)```", make_docs.read("docs/spec.md"), re.DOTALL)
    assert load_spec(example, "docs/spec.md").job.name == "code-sft"


def test_the_examples_of_the_input_and_limits_pages_are_accepted() -> None:
    from rayjob.spec.models import BudgetSpec, ModelSpec
    from rayjob.spec.prepare import InputSpec, PrepareStep

    given, limits = (
        yaml.safe_load(re.findall(r"```yaml\n(.+?)```", make_docs.read(page), re.DOTALL)[0])
        for page in ("docs/input.md", "docs/limits.md")
    )
    InputSpec.model_validate(given["input"])
    PrepareStep.model_validate(given["steps"][0]["prepare"])
    ModelSpec.model_validate(limits["models"]["worker"])
    BudgetSpec.model_validate(limits["budget"])
