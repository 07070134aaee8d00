"""The plan: steps, operators and stages, as frozen values that print and hash the same twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

Resource = Literal["cpu", "llm", "gpu"]
Scope = Literal["row", "table"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What a step reads and writes (column names; `labels.intent` is a column), where it runs, how much it sees."""

    name: str
    kind: str
    resource: Resource
    scope: Scope
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operator:
    """Neighbouring row steps on one resource, run by one pool; or one step that needs the whole table."""

    resource: Resource
    scope: Scope
    steps: tuple[PlannedStep, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """The models its steps call, each once, in order of use."""
        return tuple(dict.fromkeys(model for step in self.steps for model in step.models))


@dataclass(frozen=True, slots=True)
class Stage:
    """A chain of operators that is one Ray Data execution, writes Parquet and is resumed on its own."""

    name: str
    operators: tuple[Operator, ...]

    def steps(self) -> Iterator[PlannedStep]:
        """Its steps in order."""
        for operator in self.operators:
            yield from operator.steps


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in order, and what was left out."""

    job: str
    stages: tuple[Stage, ...]
    dropped: tuple[PlannedStep, ...] = ()  # steps of the spec that are left out, because nothing reads what they make

    def steps(self) -> Iterator[PlannedStep]:
        """All steps in order."""
        for stage in self.stages:
            yield from stage.steps()

    def hash(self) -> str:
        """64 hex digits; equal for equal plans, whatever order the spec had them in."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
