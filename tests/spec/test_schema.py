"""The JSON Schema that editors use: up to date, valid, and of one mind with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rayjob.spec.load import dump_spec, load_spec
from rayjob.spec.schema import spec_schema
from tests.shared_data import ROOT

SCHEMA = spec_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
BAD = ROOT / "tests" / "spec" / "bad"
SPECS = sorted((ROOT / "specs").glob("*.yaml"))


def test_the_saved_schema_is_up_to_date() -> None:
    saved = json.loads((ROOT / "specs" / "rayjob.schema.json").read_text(encoding="utf-8"))
    assert saved == SCHEMA, "run: rayjob schema > specs/rayjob.schema.json"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_shipped_spec_is_valid_and_names_the_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []
    assert text.startswith("# yaml-language-server: $schema=./rayjob.schema.json\n")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_resolved_spec_is_valid_too(path: Path) -> None:
    dumped = dump_spec(load_spec(path.read_text(encoding="utf-8"), path.name).job)
    assert [error.message for error in VALIDATOR.iter_errors(dumped)] == []


@pytest.mark.parametrize(
    "case",
    [
        "unknown-key-top", "unknown-key-nested", "unknown-key-in-step", "wrong-choice", "wrong-version", "missing-keys",
        "missing-in-step", "unknown-step", "threshold-out-of-range", "accept-majority", "steps-empty", "steps-mapping",
        "step-with-two-keys", "negative-concurrency", "budget-action-unknown", "name-with-spaces", "address-wrong",
    ],
)  # fmt: skip
def test_an_editor_refuses_what_we_refuse(case: str) -> None:
    assert list(VALIDATOR.iter_errors(yaml.safe_load((BAD / f"{case}.yaml").read_text(encoding="utf-8"))))


def test_short_forms_are_valid() -> None:
    spec = {
        "rayjob": 1, "name": "a", "input": ["a", "b"], "rules": "r.yaml", "output": "out",
        "steps": ["prepare", {"embed": None}, {"ask": {"from": "truth", "fields": {"a": "b"}}}],
    }  # fmt: skip
    assert [error.message for error in VALIDATOR.iter_errors(spec)] == []


def described(schema: dict[str, Any]) -> Iterator[str]:
    """Keys without a description, by model."""
    for name, model in {"job": SCHEMA, **schema["$defs"]}.items():
        for key, value in model.get("properties", {}).items():
            if not value.keys() & {"description", "$ref"} and key not in ("steps", "input", "output", "rules"):
                yield f"{name}.{key}"


def test_every_key_is_described() -> None:
    assert list(described(SCHEMA)) == []
