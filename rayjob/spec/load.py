"""From YAML text to JobSpec: overrides, validation, every problem at once. Reads no file itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from rayjob.spec.base import Problem, SpecError, SpecModel
from rayjob.spec.model import STEP_KINDS, JobSpec, Step
from rayjob.spec.wording import did_you_mean, list_some, problems_of
from rayjob.spec.yamltext import Path, YamlText, parse_yaml


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A spec and the text it came from, for problems found later."""

    job: JobSpec
    text: YamlText

    def step_path(self, index: int) -> Path:
        """The path of the settings of step `index`."""
        return ("steps", index, self.job.steps[index].kind)


def load_spec(text: str, file: str, overrides: Sequence[str] = ()) -> LoadedSpec:
    """Parse and validate a spec. `overrides` are `a.b=yaml`. Raises SpecError with every problem of shape."""
    parsed = parse_yaml(text, file)
    if not isinstance(parsed.value, dict):
        raise SpecError([Problem(file, 0, "", "a spec is a mapping with the keys rayjob, name, input, steps, output")])
    for override in overrides:
        _apply(parsed.value, override)
    steps, problems = _steps(parsed)
    try:
        job = JobSpec.model_validate({**parsed.value, "steps": ()})
    except ValidationError as error:
        raise SpecError([*problems, *problems_of(error, JobSpec, parsed, ())]) from error
    if problems:
        raise SpecError(problems)
    return LoadedSpec(job.model_copy(update={"steps": tuple(steps)}), parsed)


def _apply(tree: dict[str, object], override: str) -> None:
    """Set one dotted path. List positions are numbers: `steps.1.label.model=judge`."""
    name, sign, raw = override.partition("=")
    where = Problem("--set", 0, override, "")
    if not sign or not name:
        raise SpecError([Problem("--set", 0, "", f"found '{override}'; accepted: a.dotted.path=value")])
    value = parse_yaml(raw, f"--set {name}").value if raw.strip() else ""
    here: object = tree
    *parents, last = name.split(".")
    for part in parents:
        here = _enter(here, part, where)
    _put(here, last, value, where)


def _enter(here: object, part: str, where: Problem) -> object:
    if isinstance(here, list):
        return here[_position(here, part, where)]
    if not isinstance(here, dict):
        raise SpecError([Problem("--set", 0, where.path, f"nothing to enter at '{part}'")])
    return here.setdefault(part, {})


def _put(here: object, part: str, value: object, where: Problem) -> None:
    if isinstance(here, list):
        here[_position(here, part, where)] = value
    elif isinstance(here, dict):
        here[part] = value
    else:
        raise SpecError([Problem("--set", 0, where.path, f"nothing to set at '{part}'")])


def _position(here: list[object], part: str, where: Problem) -> int:
    if not part.isdigit() or int(part) >= len(here):
        raise SpecError([Problem("--set", 0, where.path, f"'{part}' is no position of a list of {len(here)}")])
    return int(part)


def _steps(parsed: YamlText) -> tuple[list[Step], list[Problem]]:
    raw = parsed.value.get("steps") if isinstance(parsed.value, dict) else None
    if not isinstance(raw, list) or not raw:
        return [], [parsed.problem(("steps",), "missing; a list of steps such as `- label: {…}`")]
    steps: list[Step] = []
    problems: list[Problem] = []
    for index, entry in enumerate(raw):
        try:
            steps.append(_step(entry, ("steps", index), parsed))
        except SpecError as error:
            problems.extend(error.problems)
    return _name_apart(steps), problems


def _step(entry: object, path: Path, parsed: YamlText) -> Step:
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise SpecError([parsed.problem(path, "a step is one mapping `kind: {settings}`")])
    kind, settings = next(iter(entry.items()))
    if kind not in STEP_KINDS:
        message = f"no step called '{kind}' (have: {list_some(STEP_KINDS)}){did_you_mean(kind, STEP_KINDS)}"
        raise SpecError([parsed.problem((*path, kind), message)])
    model = STEP_KINDS[kind]
    try:
        checked: SpecModel = model.model_validate({} if settings is None else settings)
    except ValidationError as error:
        raise SpecError(problems_of(error, model, parsed, (*path, kind))) from error
    return Step(kind=kind, name=getattr(checked, "name", None) or kind, settings=checked)


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
    plain = job.model_dump(mode="json", exclude={"steps"})
    plain["steps"] = [{step.kind: {**step.settings.model_dump(mode="json"), "name": step.name}} for step in job.steps]
    return plain


def show_yaml(job: JobSpec) -> str:
    """The resolved spec as YAML."""
    return yaml.safe_dump(dump_spec(job), sort_keys=False, allow_unicode=True)
