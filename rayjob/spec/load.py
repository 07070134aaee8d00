"""From YAML text to JobSpec: overrides, validation, every problem at once. Reads no file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from rayjob.spec.base import Problem, SpecError, SpecModel
from rayjob.spec.model import STEP_KINDS, JobSpec, Step
from rayjob.spec.override import apply_override
from rayjob.spec.wording import problems_of, type_of, unknown
from rayjob.spec.yamltext import Path, YamlText, parse_yaml


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec and the text it came from, for problems found later."""

    job: JobSpec
    text: YamlText
    positions: tuple[int, ...] = ()  # of each step in the file: steps that could not be read are left out of `job`

    @property
    def is_whole(self) -> bool:
        """Whether every step of the file could be read."""
        written = self.text.at(("steps",))
        return isinstance(written, list) and len(written) == len(self.job.steps)

    def step_path(self, index: int) -> Path:
        """The path of the settings of step `index`."""
        return ("steps", self.positions[index] if self.positions else index, self.job.steps[index].kind)


def load_spec(text: str, file: str, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Parse and validate a spec. `overrides` are `a.b=yaml`. Raises SpecError with every problem of shape."""
    loaded, problems = read_spec(text, file, overrides)
    if problems:
        raise SpecError(problems)
    return loaded


def read_spec(text: str, file: str, overrides: Sequence[str] = ()) -> tuple[LoadedSpec, list[Problem]]:
    """The spec without what is wrong, and what is wrong: the rest can be checked too.

    Raises SpecError where so much is wrong that there is no rest.
    """
    parsed = parse_yaml(text, file)
    if not isinstance(parsed.value, dict):
        found = "nothing" if parsed.value is None else "a list" if isinstance(parsed.value, list) else "a single value"
        message = f"found {found}; a spec is a mapping with the keys rayjob, name, input, steps, output"
        raise SpecError([Problem(file, 1, "", message)])
    for override in overrides:
        apply_override(parsed, override)
    steps, problems = _steps(parsed)
    job, more = _job(parsed)
    job = job.model_copy(update={"steps": tuple(_name_apart(list(steps.values())))})
    return LoadedSpec(job, parsed, tuple(steps)), [*problems, *more]


#: What stands in for a key that is wrong while the rest is checked.
STAND_INS: Mapping[str, object] = {"rayjob": 1, "name": "unnamed", "input": "none://", "output": "none://", "steps": ()}


def _job(parsed: YamlText) -> tuple[JobSpec, list[Problem]]:
    """Everything but the steps. What is wrong is left out, so that the rest can be checked all the same."""
    assert isinstance(parsed.value, dict)
    try:
        return JobSpec.model_validate({**parsed.value, "steps": ()}), []
    except ValidationError as error:
        problems = problems_of(error, JobSpec, parsed, ())
        rest = prune(parsed.value, [details["loc"] for details in error.errors(include_url=False)])
    try:
        return JobSpec.model_validate({**STAND_INS, **rest, "steps": ()}), problems
    except ValidationError as error:
        raise SpecError(problems) from error


def prune(tree: dict[str, object], locations: Iterable[Sequence[str | int]]) -> dict[str, object]:
    """A copy without the value at each location, or without the mapping's entry around it."""
    rest = deepcopy(tree)
    for location in locations:
        here: object = rest
        for part in location:
            below = here.get(part) if isinstance(here, dict) else None
            if isinstance(here, dict) and not (isinstance(below, dict) and part != location[-1]):
                here.pop(part, None)
                break
            here = below
    return rest


def _steps(parsed: YamlText) -> tuple[dict[int, Step], list[Problem]]:
    """The steps that can be read, by position, and the problems of the others."""
    raw = parsed.value.get("steps") if isinstance(parsed.value, dict) else None
    if not isinstance(raw, list) or not raw:
        found = "missing" if raw is None else "found nothing" if not raw else f"found {type_of(raw)}"
        return {}, [parsed.problem(("steps",), f"{found}; accepted: a list of steps such as `- label: {{…}}`")]
    steps: dict[int, Step] = {}
    problems: list[Problem] = []
    for index, entry in enumerate(raw):
        try:
            steps[index] = _step(entry, ("steps", index), parsed)
        except SpecError as error:
            problems.extend(error.problems)
    return steps, problems


def _step(entry: object, path: Path, parsed: YamlText) -> Step:
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise SpecError([parsed.problem(path, f"{_two_keys(entry)}; a step is `kind: {{settings}}`")])
    kind, settings = next(iter(entry.items()))
    if kind not in STEP_KINDS:
        raise SpecError([parsed.problem((*path, kind), unknown("step", kind, STEP_KINDS))])
    model = STEP_KINDS[kind]
    try:
        checked: SpecModel = model.model_validate({} if settings is None else settings)
    except ValidationError as error:
        raise SpecError(problems_of(error, model, parsed, (*path, kind))) from error
    return Step(kind=kind, name=getattr(checked, "name", None) or kind, settings=checked)


def _two_keys(entry: object) -> str:
    if not isinstance(entry, dict):
        return f"found {type_of(entry)}"
    keys = ", ".join(map(str, entry))
    stray = f": indent what belongs under '{next(iter(entry))}' further" if entry else ""
    return f"found {len(entry)} keys ({keys}){stray}" if entry else "found an empty mapping"


def _name_apart(steps: list[Step]) -> list[Step]:
    """Unnamed steps of one kind get numbers: label, label-2, …"""
    seen: dict[str, int] = {}
    named: list[Step] = []
    for step in steps:
        seen[step.name] = seen.get(step.name, 0) + 1
        own = bool(getattr(step.settings, "name", None))
        name = step.name if seen[step.name] == 1 or own else f"{step.name}-{seen[step.name]}"
        named.append(step.model_copy(update={"name": name}))
    return named


def dump_spec(job: JobSpec) -> dict[str, object]:
    """The resolved spec as plain data, defaults filled in: what run.json keeps and the hash covers."""
    plain = job.model_dump(mode="json", by_alias=True, exclude={"steps"})
    plain["steps"] = [
        {step.kind: {**step.settings.model_dump(mode="json", by_alias=True), "name": step.name}} for step in job.steps
    ]
    return plain


def show_yaml(job: JobSpec) -> str:
    """The resolved spec as YAML."""
    return yaml.safe_dump(dump_spec(job), sort_keys=False, allow_unicode=True)
