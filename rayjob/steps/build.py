"""From a resolved spec to callable steps: the table of LLM row steps, and the pipeline that a row goes through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rayjob.labels.asking import Asker, CallFailedError
from rayjob.labels.rules import check_rules
from rayjob.plan.resolve import Resolved
from rayjob.spec.choice import GenerateStep
from rayjob.spec.label import ArbitrateStep, LabelStep, MapStep
from rayjob.spec.model import Step
from rayjob.steps.arbitrate import Arbitrate
from rayjob.steps.deadline import RowDeadline
from rayjob.steps.generate import Generate
from rayjob.steps.label import Label
from rayjob.steps.map import MapUnmapped
from rayjob.steps.row import Row, fail_row, finish_row, start_row, take_given

RowStep = Label | Arbitrate | MapUnmapped | Generate


class RowPipeline:
    """All LLM steps of an operator in order; one call takes one row through them."""

    def __init__(self, steps: Sequence[RowStep], resolved: Resolved) -> None:
        self.steps = tuple(steps)
        self.dimensions = tuple(resolved.taxonomy.dimensions[name] for name in resolved.dimensions())
        self.rules = resolved.rules
        self.deadline_s = resolved.job.run.row_deadline_s
        self.untimed = frozenset(name for name, spec in resolved.job.models.items() if spec.mode == "batch")
        self.evaluate = resolved.job.rules.evaluate if resolved.job.rules else "final"

    async def run(self, row: Row, asker: Asker, now_in: Callable[[str], None], skip_arbitration: bool = False) -> Row:
        """The finished row: labelled, or with its failure. `now_in` hears the name of each step as it begins."""
        if row.get("failure"):
            return self.finish({**start_row(row), "failure": row["failure"]})
        row = take_given(start_row(row))
        asker = RowDeadline(asker, self.deadline_s, self.untimed)
        for step in self.steps:
            if row["failure"]:
                break
            if skip_arbitration and isinstance(step, Arbitrate):
                continue
            now_in(step.name)
            row = await step(row, asker)
        return self.finish(row)

    def spread(self, row: Row) -> Row:
        """The row with the labels it was given and no others; nothing is asked."""
        return self.finish(take_given(start_row(row)))

    def fail(self, row: Row, kind: str, message: str) -> Row:
        """The row as a failure that no step foresaw."""
        return self.finish(fail_row(start_row(row), "", CallFailedError(kind, message)))

    def finish(self, row: Row) -> Row:
        """The row as it is written."""
        first = row.get("_state", {}).get("first_labels") if row.get("arbitrated") else None
        done = finish_row(row, self.dimensions, lambda labels: check_rules(self.rules, labels), self.evaluate)
        return {**done, "first_labels": first}


def build_pipeline(resolved: Resolved, names: Sequence[str]) -> RowPipeline:
    """The pipeline of the LLM steps called `names`, in that order."""
    by_name = {step.name: step for step in resolved.job.steps}
    labels: list[Label] = []
    steps: list[RowStep] = []
    for name in names:
        step = BUILDERS[by_name[name].kind](by_name[name], resolved, labels)
        steps.append(step)
    return RowPipeline(steps, resolved)


def _label(step: Step, resolved: Resolved, labels: list[Label]) -> Label:
    assert isinstance(step.settings, LabelStep)
    calibration = resolved.calibration.dimensions if resolved.calibration else None
    built = Label(step.name, step.settings, resolved.taxonomy, resolved.templates[step.name], calibration)
    labels.append(built)
    return built


def _arbitrate(step: Step, resolved: Resolved, labels: list[Label]) -> Arbitrate:
    assert isinstance(step.settings, ArbitrateStep)
    return Arbitrate(step.name, with_thresholds(step.settings, resolved), labels)


def with_thresholds(spec: ArbitrateStep, resolved: Resolved) -> ArbitrateStep:
    """The spec with the calibration's thresholds in place of the word; where none can be promised, all are asked."""
    if spec.when.confidence_below != "calibrated" or resolved.calibration is None:
        return spec
    found = resolved.calibration.dimensions.items()
    # Past 1: answers that agree fully, and models that are sure of everything, state 1.0 itself.
    below = {name: math.inf if one.threshold is None else one.threshold for name, one in found}
    return spec.model_copy(update={"when": spec.when.model_copy(update={"confidence_below": below})})


def _map(step: Step, resolved: Resolved, labels: list[Label]) -> MapUnmapped:
    assert isinstance(step.settings, MapStep)
    return MapUnmapped(step.name, step.settings, resolved.taxonomy, resolved.templates.get(step.name))


def _generate(step: Step, resolved: Resolved, labels: list[Label]) -> Generate:
    assert isinstance(step.settings, GenerateStep)
    return Generate(step.name, step.settings, resolved.templates[step.name])


#: The LLM row steps: kind → how it is built.
BUILDERS: Mapping[str, Callable[[Step, Resolved, list[Label]], Any]] = {
    "label": _label,
    "arbitrate": _arbitrate,
    "map": _map,
    "generate": _generate,
}
