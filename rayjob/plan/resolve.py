"""From a loaded spec to all that a run needs: taxonomy, templates, rules. Reads through an injected reader."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from rayjob.labels.prompt import Template
from rayjob.labels.rules import Rule, parse_rules
from rayjob.labels.taxonomy import Taxonomy, parse_taxonomy
from rayjob.plan.reading import Reader, Reading, prompt_file
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.choice import ChooseStep, OtherRows, TrainChoiceStep
from rayjob.spec.label import LabelStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.model import JobSpec, Step
from rayjob.spec.quality import CalibrationFile, parse_calibration
from rayjob.spec.spread import AskStep


@dataclass(frozen=True, slots=True)
class Texts:
    """The files that a spec names, as read: actors on other machines cannot read the spec's disk."""

    taxonomy: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rules: str = ""
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec with its paths made absolute and its files read."""

    job: JobSpec
    texts: Texts
    taxonomy: Taxonomy
    rules: tuple[Rule, ...]
    templates: Mapping[str, Template]
    calibration: CalibrationFile | None = None

    def dimensions(self) -> tuple[str, ...]:
        """Dimensions that label steps, people or a column of truth answer, in the taxonomy's order."""
        asked = {name for step in self.job.steps_of("label") for name in _label(step).dimensions}
        asked |= {name for step in self.job.steps_of("ask") for name in self.asked(step)}
        return tuple(name for name in self.taxonomy.dimensions if name in asked)

    def selects(self) -> dict[str, str]:
        """single or multi for every dimension that the run labels; a choice is a single one of its own."""
        found: dict[str, str] = {name: self.taxonomy.dimensions[name].select for name in self.dimensions()}
        chosen = (step.settings for step in self.job.steps_of("choose"))
        return found | {settings.dimension: "single" for settings in chosen if isinstance(settings, ChooseStep)}

    def asked(self, step: Step) -> tuple[str, ...]:
        """Dimensions that an ask step answers by itself: none where the label steps do."""
        settings = step.settings
        assert isinstance(settings, AskStep)
        if settings.source == "label":
            return ()
        return settings.dimensions or tuple(settings.fields) or tuple(self.taxonomy.dimensions)


def _label(step: Step) -> LabelStep:
    assert isinstance(step.settings, LabelStep)
    return step.settings


def resolve_texts(job: JobSpec, texts: Texts) -> Resolved:
    """The same from texts read before: how an actor on another machine gets what the spec's folder held."""
    taxonomy, problems = parse_taxonomy(texts.taxonomy) if texts.taxonomy else (Taxonomy.of([]), [])
    rules, more = parse_rules(texts.rules, taxonomy) if texts.rules.strip() else ((), [])
    if problems or more:
        raise SpecError([*problems, *more])
    templates: dict[str, Template] = {}
    for step in job.steps:
        file = prompt_file(step, job.layout)
        if file is not None:
            folder, _, name = file.rpartition("/")
            templates[step.name] = Template(texts.prompts[folder][name], name, texts.prompts[folder])
    return Resolved(job, texts, taxonomy, tuple(rules), templates, _calibration(texts, job))


def _calibration(texts: Texts, job: JobSpec) -> CalibrationFile | None:
    """The calibration file, read; None where the spec names none. Raises SpecError."""
    return parse_calibration(texts.calibration, job.calibration or "") if texts.calibration else None


def join_path(base: str, path: str) -> str:
    """`path` relative to the folder `base`; absolute paths and addresses stay."""
    if "://" in path or path.startswith("/"):
        return path
    scheme, sign, rest = base.partition("://")
    joined = posixpath.normpath(posixpath.join(rest if sign else base, path))
    return f"{scheme}://{joined}" if sign else joined


def resolve(loaded: LoadedSpec, folder: str, reader: Reader) -> Resolved:
    """Read what the spec names. `folder` is the spec's own. Raises SpecError with every problem found."""
    resolved, problems = read_files(loaded, folder, reader)
    if problems:
        raise SpecError(problems)
    return resolved


def read_files(loaded: LoadedSpec, folder: str, reader: Reader) -> tuple[Resolved, list[Problem]]:
    """The same with the problems beside it; where the taxonomy has one, the taxonomy returned is empty."""
    job = _absolute(loaded.job, folder)
    work = Reading(loaded, job, reader)
    work.check_input()
    taxonomy, taxonomy_files = work.taxonomy()
    rules, rules_text = work.rules(taxonomy)
    templates, prompts = work.templates()
    texts = Texts(taxonomy_files, prompts, rules_text, work.text_at(("calibration",), job.calibration))
    try:
        calibration = _calibration(texts, job)
    except SpecError as error:
        work.problems += error.problems
        calibration = None
    return Resolved(job, texts, taxonomy, rules, templates, calibration), work.problems


def _absolute(job: JobSpec, folder: str) -> JobSpec:
    """The job with every path made absolute against the spec's folder."""

    def at(path: str | None) -> str | None:
        return None if path is None else join_path(folder, path)

    paths = [join_path(folder, path) for path in job.input.paths]
    update: dict[str, object] = {
        "input": job.input.model_copy(update={"path": paths if len(paths) > 1 else paths[0]}),
        "taxonomy": at(job.taxonomy),
        "calibration": at(job.calibration),
        "output": job.output.model_copy(update={"path": at(job.output.path)}),
        "steps": tuple(_absolute_step(step, folder) for step in job.steps),
    }
    if job.rules:
        update["rules"] = job.rules.model_copy(update={"path": at(job.rules.path)})
    if job.ledger:
        update["ledger"] = job.ledger.model_copy(update={"path": at(job.ledger.path)})
    return job.model_copy(update=update)


#: Fields of step settings that hold paths.
PATH_FIELDS = ("prompt", "sheet", "weights", "pairs")


def _absolute_step(step: Step, folder: str) -> Step:
    found: dict[str, object] = {
        name: join_path(folder, value)
        for name in PATH_FIELDS
        if isinstance(value := getattr(step.settings, name, None), str) and value
    }
    if isinstance(step.settings, TrainChoiceStep):
        found["other"] = {
            name: OtherRows(path=join_path(folder, rows.path), pairs=rows.pairs and join_path(folder, rows.pairs))
            for name, rows in step.settings.others().items()
        }
    return step.model_copy(update={"settings": step.settings.model_copy(update=found)}) if found else step
