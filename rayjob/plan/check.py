"""Cross-checks between the parts of a spec: everything that names something else, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rayjob.plan.check_spread import find_spread_problems
from rayjob.plan.compile import CycleError, compile_steps, find_missing
from rayjob.plan.describe import describe_steps
from rayjob.plan.graph import Plan, PlannedStep
from rayjob.plan.resolve import Resolved
from rayjob.spec.base import Problem, SpecError, SpecModel
from rayjob.spec.choice import ChooseStep
from rayjob.spec.label import ArbitrateStep, LabelStep, MapStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.model import JobSpec
from rayjob.spec.models import ModelSpec, UseSpec
from rayjob.spec.spread import AskStep, PropagateStep
from rayjob.spec.wording import unknown
from rayjob.spec.yamltext import Path


def check_and_compile(loaded: LoadedSpec, resolved: Resolved) -> Plan:
    """The plan of a spec. Raises SpecError with every problem of meaning."""
    problems = find_problems(loaded, resolved)
    if problems:
        raise SpecError(problems)
    steps = describe_steps(resolved)
    have = list(resolved.taxonomy.dimensions)
    missing = [_missing(loaded, step, column, have) for step, column in find_missing(steps)]
    if missing:
        raise SpecError(missing)
    try:
        return compile_steps(resolved.job.name, steps)
    except CycleError as error:
        message = f"these steps wait for each other: {error}; take one of the labels out of one of the prompts"
        raise SpecError([loaded.text.problem(("steps",), message)]) from error


def find_problems(loaded: LoadedSpec, resolved: Resolved) -> list[Problem]:
    """Every name in a spec that names nothing, or too much. A taxonomy without dimensions is not looked at."""
    dimensions = _dimensions(loaded, resolved) if resolved.taxonomy.dimensions else ()
    return [
        *_models(loaded),
        *dimensions,
        *_thresholds(loaded),
        *_names(loaded),
        *_budget(loaded),
        *_unfit(loaded),
        *find_spread_problems(loaded, resolved),
    ]


def _missing(loaded: LoadedSpec, step: PlannedStep, column: str, have: Sequence[str]) -> Problem:
    path = next(
        (loaded.step_path(index) for index, given in enumerate(loaded.job.steps) if given.name == step.name), ("steps",)
    )
    if column.startswith("labels."):
        name = column.removeprefix("labels.")
        if name in have:
            what = f"its prompt reads labels.{name}, which no step labels; add '{name}' to a label step's dimensions"
        else:
            what = f"its prompt reads labels.{name}: {unknown('dimension', name, have)}"
    else:
        maker = _MAKERS.get(column, "prepare")
        what = f"{step.kind} needs {column}, which no step of this spec makes; add a step that does ({maker})"
    return loaded.text.problem(path, what)


_MAKERS = {
    "vector": "embed", "cluster": "cluster", "representative": "represent", "asked": "ask", "pairs": "pair",
    "weights": "train_choice, or name a file under `weights`",
}  # fmt: skip


def _models(loaded: LoadedSpec) -> Iterator[Problem]:
    have = _written_models(loaded)
    if have is None:
        return
    for index, step in enumerate(loaded.job.steps):
        for field in ("model", "unmapped_with"):
            name = getattr(step.settings, field, None)
            checked = isinstance(step.settings, LabelStep | ArbitrateStep | MapStep) or step.kind == "generate"
            if checked and isinstance(name, str) and name not in have:
                yield loaded.text.problem((*loaded.step_path(index), field), unknown("model", name, have))
        if isinstance(step.settings, LabelStep):
            yield from _second_models(loaded, index, step.settings, have)
    for name, model in loaded.job.models.items():
        path = ("models", name, "fallback")
        if model.fallback is not None and model.fallback not in have:
            yield loaded.text.problem(path, unknown("model", model.fallback, have))
        elif name in _fallbacks(loaded.job, name):
            yield loaded.text.problem(path, f"'{name}' ends up falling back to itself; leave out one fallback")


def _second_models(loaded: LoadedSpec, index: int, settings: LabelStep, have: Sequence[str]) -> Iterator[Problem]:
    """Models of `also_ask` that are not there, or that are the same as one that is asked anyway."""
    asked = {name: loaded.job.models[name] for name in settings.models if name in loaded.job.models}
    for position, name in enumerate(settings.also_ask):
        path = (*loaded.step_path(index), "also_ask", position)
        if name not in have:
            yield loaded.text.problem(path, unknown("model", name, have))
        same = [other for other in settings.models[: position + 1] if _is_same(asked.get(other), asked.get(name))]
        if same:
            message = (
                f"'{name}' is the model that '{same[0]}' is, and would agree with itself; samples: 2 asks it twice"
            )
            yield loaded.text.problem(path, message)


def _is_same(one: ModelSpec | None, other: ModelSpec | None) -> bool:
    """Whether the ledger would give both one answer."""
    if one is None or other is None:
        return False
    return (one.model, one.params, one.temperature) == (other.model, other.params, other.temperature)


def _written_models(loaded: LoadedSpec) -> list[str] | None:
    """Names of models, those with mistakes too; None where what is written is no mapping."""
    written = loaded.text.at(("models",), {})
    return list(written) if isinstance(written, dict) else None


def _fallbacks(job: JobSpec, name: str) -> list[str]:
    """The models that a model falls back to, one after the other, up to the first that comes again."""
    found: list[str] = []
    following = job.models[name].fallback
    while following is not None and following in job.models and following not in found:
        found.append(following)
        following = job.models[following].fallback
    return found


def _dimensions(loaded: LoadedSpec, resolved: Resolved) -> Iterator[Problem]:
    have = list(resolved.taxonomy.dimensions)
    taken: dict[str, str] = {}
    for index, step in enumerate(loaded.job.steps):
        named = [*_named(step.settings)]
        yield from (
            loaded.text.problem((*loaded.step_path(index), *where), unknown("dimension", name, have))
            for where, name in named
            if name not in have
        )
        for where, name in named if isinstance(step.settings, LabelStep) else ():
            if name in taken:
                message = f"'{name}' is labelled by '{taken[name]}' already; keep one of them"
                yield loaded.text.problem((*loaded.step_path(index), *where), message)
            taken.setdefault(name, step.name)
        if isinstance(step.settings, ChooseStep) and step.settings.dimension in taken:
            message = (
                f"'{step.settings.dimension}' is labelled by '{taken[step.settings.dimension]}' already; rename it"
            )
            yield loaded.text.problem((*loaded.step_path(index), "dimension"), message)
    if loaded.is_whole:
        yield from _unlabelled(loaded, {name for name in have if name in taken}, have)


def _thresholds(loaded: LoadedSpec) -> Iterator[Problem]:
    """`calibrated` thresholds need the file that holds them."""
    for index, step in enumerate(loaded.job.steps):
        asks = isinstance(step.settings, ArbitrateStep) and step.settings.when.confidence_below == "calibrated"
        if asks and loaded.job.calibration is None:
            path = (*loaded.step_path(index), "when", "confidence_below")
            message = "'calibrated' needs `calibration: FILE` in the spec; `rayjob calibrate` writes one"
            yield loaded.text.problem(path, message)


def _named(settings: SpecModel) -> Iterator[tuple[Path, str]]:
    """The dimensions that a step names, each with where it does."""
    if isinstance(settings, LabelStep | ArbitrateStep | AskStep):
        for position, name in enumerate(settings.dimensions or ()):
            yield ("dimensions", position), name
    if isinstance(settings, ArbitrateStep) and isinstance(settings.when.confidence_below, Mapping):
        for name in settings.when.confidence_below:
            yield ("when", "confidence_below", name), name
    if isinstance(settings, AskStep):
        for name in settings.fields:
            yield ("fields", name), name


def _unlabelled(loaded: LoadedSpec, labelled: set[str], have: Sequence[str]) -> Iterator[Problem]:
    """Steps that work on labels which no label step gives."""
    for index, step in enumerate(loaded.job.steps):
        path, settings = loaded.step_path(index), step.settings
        asks = isinstance(settings, AskStep) and settings.source == "label"
        leaves = isinstance(settings, PropagateStep) and settings.otherwise == "label"
        if not labelled and (asks or leaves or isinstance(settings, ArbitrateStep | MapStep)):
            what = "otherwise: label" if leaves else step.kind
            yield loaded.text.problem(path, f"{what} needs a label step, and this spec has none")
        elif isinstance(settings, ArbitrateStep):
            for where, name in _named(settings):
                if name in have and name not in labelled:
                    yield loaded.text.problem((*path, *where), f"no step labels '{name}', so there is nothing to doubt")


#: Kinds of step that have no place beside those that label rows: they write the rows in their own way.
APART = ("choose", "generate")
#: Kinds of step of which a spec has one: of a second, a run would take the name and not the settings.
ONCE = frozenset({"prepare", "embed", "cluster", "represent", "ask", "propagate", "pair", "train_choice", *APART})


def _unfit(loaded: LoadedSpec) -> Iterator[Problem]:
    """Steps that a run could not carry out beside the others."""
    others = [step.kind for step in loaded.job.steps if step.kind in ("label", "ask")]
    first: dict[str, int] = {}
    for index, step in enumerate(loaded.job.steps):
        path = loaded.step_path(index)
        if step.kind in APART and others:
            message = f"{step.kind} and {others[0]} each write the run's rows; put {step.kind} into a spec of its own"
            yield loaded.text.problem(path, message)
        if step.kind in ONCE and step.kind in first:
            line = loaded.text.line_of(loaded.step_path(first[step.kind]))
            message = f"{step.kind} stands on line {line} already, and a spec has one; keep one"
            yield loaded.text.problem(path, message)
        first.setdefault(step.kind, index)


def _names(loaded: LoadedSpec) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, step in enumerate(loaded.job.steps):
        if step.name in seen:
            where = (*loaded.step_path(index), "name")
            yield loaded.text.problem(where, f"two steps are called '{step.name}'; give one of them another name")
        seen.setdefault(step.name, index)


def _budget(loaded: LoadedSpec) -> Iterator[Problem]:
    budget, have = loaded.job.budget, _written_models(loaded)
    for index, action in enumerate(budget.then if budget else ()):
        if isinstance(action, UseSpec) and have is not None and action.use not in have:
            yield loaded.text.problem(("budget", "then", index, "use"), unknown("model", action.use, have))
