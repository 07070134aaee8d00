"""Cross-checks between the parts of a spec: everything that names something else, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rayjob.plan.compile import CycleError, MissingColumnError, compile_steps
from rayjob.plan.describe import describe_steps
from rayjob.plan.graph import Plan
from rayjob.plan.resolve import Resolved
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.label import ArbitrateStep, LabelStep, MapStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.models import UseSpec
from rayjob.spec.wording import unknown


def check_and_compile(loaded: LoadedSpec, resolved: Resolved) -> Plan:
    """The plan of a spec. Raises SpecError with every problem of meaning."""
    problems = [*_models(loaded), *_dimensions(loaded, resolved), *_names(loaded), *_budget(loaded)]
    if problems:
        raise SpecError(problems)
    try:
        return compile_steps(resolved.job.name, describe_steps(resolved))
    except CycleError as error:
        path = ("steps",)
        message = f"these steps wait for each other: {error}; take one of the labels out of one of the prompts"
        raise SpecError([loaded.text.problem(path, message)]) from error
    except MissingColumnError as error:
        raise SpecError([_missing(loaded, error)]) from error


def _missing(loaded: LoadedSpec, error: MissingColumnError) -> Problem:
    step, column = error.step, error.column
    path = next(
        (loaded.step_path(index) for index, given in enumerate(loaded.job.steps) if given.name == step.name), ("steps",)
    )
    if column.startswith("labels."):
        what = f"its prompt reads {column}, which no step labels; add {column.removeprefix('labels.')} to a label step"
    else:
        maker = _MAKERS.get(column, "prepare")
        what = f"{step.kind} needs {column}, which no step of this spec makes; add a step that does ({maker})"
    return loaded.text.problem(path, what)


_MAKERS = {"vector": "embed", "cluster": "cluster", "representative": "represent", "asked": "ask", "pairs": "pair"}


def _models(loaded: LoadedSpec) -> Iterator[Problem]:
    have = list(loaded.job.models)
    for index, step in enumerate(loaded.job.steps):
        for field in ("model", "unmapped_with"):
            name = getattr(step.settings, field, None)
            checked = isinstance(step.settings, LabelStep | ArbitrateStep | MapStep) or step.kind == "generate"
            if checked and isinstance(name, str) and name not in have:
                yield loaded.text.problem((*loaded.step_path(index), field), unknown("model", name, have))
    for name, model in loaded.job.models.items():
        if model.fallback is not None and model.fallback not in have:
            yield loaded.text.problem(("models", name, "fallback"), unknown("model", model.fallback, have))


def _dimensions(loaded: LoadedSpec, resolved: Resolved) -> Iterator[Problem]:
    have = list(resolved.taxonomy.dimensions)
    taken: dict[str, str] = {}
    for index, step in enumerate(loaded.job.steps):
        path = loaded.step_path(index)
        for position, name in enumerate(getattr(step.settings, "dimensions", None) or ()):
            where = (*path, "dimensions", position)
            if isinstance(step.settings, LabelStep | ArbitrateStep) and name not in have:
                yield loaded.text.problem(where, unknown("dimension", name, have))
            elif isinstance(step.settings, LabelStep) and name in taken:
                yield loaded.text.problem(where, f"'{name}' is labelled by '{taken[name]}' already; keep one of them")
            elif isinstance(step.settings, LabelStep):
                taken[name] = step.name
        if isinstance(step.settings, ArbitrateStep):
            yield from _thresholds(loaded, index, have)
    yield from _arbitration_needs_labels(loaded)


def _thresholds(loaded: LoadedSpec, index: int, have: list[str]) -> Iterator[Problem]:
    settings = loaded.job.steps[index].settings
    assert isinstance(settings, ArbitrateStep)
    below = settings.when.confidence_below
    for name in below if isinstance(below, Mapping) else ():
        if name not in have:
            where = (*loaded.step_path(index), "when", "confidence_below", name)
            yield loaded.text.problem(where, unknown("dimension", name, have))


def _arbitration_needs_labels(loaded: LoadedSpec) -> Iterator[Problem]:
    if loaded.job.steps_of("label"):
        return
    for index, step in enumerate(loaded.job.steps):
        if step.kind in ("arbitrate", "map"):
            yield loaded.text.problem(loaded.step_path(index), f"{step.kind} needs a label step before it")


def _names(loaded: LoadedSpec) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, step in enumerate(loaded.job.steps):
        if step.name in seen:
            where = (*loaded.step_path(index), "name")
            yield loaded.text.problem(where, f"two steps are called '{step.name}'; give one of them another name")
        elif step.kind == "prepare" and any(other.kind == "prepare" for other in loaded.job.steps[:index]):
            yield loaded.text.problem(loaded.step_path(index), "prepare stands twice; keep one")
        seen.setdefault(step.name, index)


def _budget(loaded: LoadedSpec) -> Iterator[Problem]:
    budget, have = loaded.job.budget, list(loaded.job.models)
    for index, action in enumerate(budget.then if budget else ()):
        if isinstance(action, UseSpec) and action.use not in have:
            yield loaded.text.problem(("budget", "then", index, "use"), unknown("model", action.use, have))
