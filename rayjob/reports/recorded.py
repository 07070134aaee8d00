"""What run.json keeps of the spec, asked by name: reports say only what the run had. Old folders may lack it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def steps_of(run: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The settings of the run's steps of one kind, in order."""
    spec = run.get("spec") or {}
    return [step[kind] or {} for step in spec.get("steps") or () if kind in step]


def asks_models(run: Mapping[str, Any]) -> bool:
    """Whether the run names any model to ask; yes where the spec is not known."""
    spec = run.get("spec") or {}
    return bool(spec.get("models", True))
