"""The JSON Schema of a spec, as it is written in YAML: steps as single-key mappings, short forms of paths."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from rayjob.spec.base import SpecModel
from rayjob.spec.model import STEP_KINDS, JobSpec


def spec_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of a whole spec."""
    models = [(JobSpec, "validation"), *((model, "validation") for model in STEP_KINDS.values())]
    refs, shared = models_json_schema(models, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    defs = shared["$defs"]
    job = defs.pop("JobSpec")
    defs.pop("Step", None)
    steps = [
        {
            "type": "object",
            "properties": {kind: _or_nothing(model, refs[(model, "validation")])},
            "required": [kind],
            "additionalProperties": False,
        }
        for kind, model in STEP_KINDS.items()
    ]
    job["properties"]["steps"] = {
        "type": "array",
        "items": {
            "anyOf": [*steps, {"enum": [kind for kind, model in STEP_KINDS.items() if not needs_settings(model)]}]
        },
        "minItems": 1,
    }
    job["required"] = ["rayjob", "name", "input", "output", "steps"]
    for name in ("input", "output", "rules"):
        shorter = {"type": "string"} if name != "input" else {"type": ["string", "array"], "items": {"type": "string"}}
        job["properties"][name] = {"anyOf": [shorter, job["properties"][name]]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **job, "$defs": defs, "title": "rayjob spec"}


def needs_settings(model: type[SpecModel]) -> bool:
    """Whether a step cannot be written as its kind alone."""
    return any(field.is_required() for field in model.model_fields.values())


def _or_nothing(model: type[SpecModel], ref: dict[str, Any]) -> dict[str, Any]:
    return ref if needs_settings(model) else {"anyOf": [ref, {"type": "null"}]}
