"""From a loaded spec to all that a run needs: taxonomy, templates, rules. Reads through an injected reader."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rayjob.labels.prompt import VARIABLES, Template
from rayjob.labels.rules import Rule, parse_rules
from rayjob.labels.taxonomy import Taxonomy, is_dimension_file, parse_taxonomy
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.choice import ChooseStep, TrainChoiceStep
from rayjob.spec.label import LabelStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.model import JobSpec, Step
from rayjob.spec.quality import CalibrationFile, parse_calibration
from rayjob.spec.spread import AskStep
from rayjob.spec.wording import unknown
from rayjob.spec.yamltext import Path


class Reader(Protocol):
    """Where spec, taxonomy and prompts are read from: local files or S3."""

    def exists(self, path: str) -> bool:
        """Whether there is a file, a folder or something that a glob matches; true where only a run would know."""
        ...

    def read_text(self, path: str) -> str:
        """The text of a file. Raises FileNotFoundError."""
        ...

    def list_names(self, folder: str) -> Sequence[str]:
        """The names in a folder, sorted. Raises FileNotFoundError."""
        ...


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
    taxonomy, problems = parse_taxonomy(texts.taxonomy)
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


def prompt_file(step: Step, layout: str) -> str | None:
    """The template of a step; `layout: shared_prefix` takes NAME.shared.j2 in place of a label step's NAME.j2."""
    file = getattr(step.settings, "prompt", None)
    if not isinstance(file, str):
        return None
    stem, dot, end = file.rpartition(".")
    other = layout == "shared_prefix" and isinstance(step.settings, LabelStep) and not stem.endswith(".shared")
    return f"{stem}.shared{dot}{end}" if other else file


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
    work = _Reading(loaded, job, reader)
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
        found["other"] = {name: join_path(folder, path) for name, path in step.settings.other.items()}
    return step.model_copy(update={"settings": step.settings.model_copy(update=found)}) if found else step


class _Reading:
    """Reads one spec's files, collecting problems instead of stopping at the first."""

    def __init__(self, loaded: LoadedSpec, job: JobSpec, reader: Reader) -> None:
        self.loaded, self.job, self.reader = loaded, job, reader
        self.problems: list[Problem] = []

    def text_at(self, path: Path, file: str | None) -> str:
        if file is None:
            return ""
        try:
            return self.reader.read_text(file)
        except (OSError, UnicodeDecodeError) as error:
            self.refuse(path, f"cannot read {file} ({why_unreadable(error)}); paths are relative to the spec")
            return ""

    def refuse(self, path: Path, message: str) -> None:
        self.problems.append(self.loaded.text.problem(path, message))

    def check_input(self) -> None:
        for file in self.job.input.paths:
            if not self.reader.exists(file):
                self.refuse(("input",), f"nothing at {file}; paths are relative to the spec")

    def taxonomy(self) -> tuple[Taxonomy, dict[str, str]]:
        folder = self.job.taxonomy
        if folder is None:
            if self.job.steps_of("label") and not self.loaded.text.has(("taxonomy",)):
                self.refuse(("taxonomy",), "missing; label steps need a folder of dimensions")
            return Taxonomy.of([]), {}
        files = self.folder_at(("taxonomy",), folder, "dimension (a .yaml file each)", is_dimension_file)
        if not files:
            return Taxonomy.of([]), {}
        taxonomy, problems = parse_taxonomy(files)
        self.problems += [_in_folder(problem, folder) for problem in problems]
        return Taxonomy.of([]) if problems else taxonomy, files

    def folder_at(self, path: Path, folder: str, what: str, wanted: _Wanted) -> dict[str, str]:
        try:
            names = [name for name in self.reader.list_names(folder) if wanted(name)]
        except OSError as error:
            self.refuse(path, f"cannot list {folder} ({why_unreadable(error)}); paths are relative to the spec")
            return {}
        if not names:
            self.refuse(path, f"{folder} holds no {what}")
        return {name: self.text_at(path, f"{folder.rstrip('/')}/{name}") for name in names}

    def rules(self, taxonomy: Taxonomy) -> tuple[tuple[Rule, ...], str]:
        if self.job.rules is None:
            return (), ""
        file = self.job.rules.path
        text = self.text_at(("rules",), file)
        if not text.strip() or not taxonomy.dimensions:
            return (), text
        rules, problems = parse_rules(text, taxonomy)
        self.problems += [Problem(file, found.line, found.path, found.message) for found in problems]
        return rules, text

    def templates(self) -> tuple[dict[str, Template], dict[str, dict[str, str]]]:
        templates: dict[str, Template] = {}
        folders: dict[str, dict[str, str]] = {}
        for index, step in enumerate(self.job.steps):
            file = prompt_file(step, self.job.layout)
            if file is None:
                continue
            path = (*self.loaded.step_path(index), "prompt")
            folder, _, name = file.rpartition("/")
            if folder not in folders:
                folders[folder] = self.folder_at(path, folder, "prompt (.j2)", is_prompt_file)
            self.template(step, path, (folder, name), folders[folder], templates)
        return templates, folders

    def template(
        self, step: Step, path: Path, place: tuple[str, str], files: dict[str, str], found: dict[str, Template]
    ) -> None:
        folder, name = place
        if name not in files:
            if files:
                self.refuse(path, unknown("prompt", name, sorted(files), f" in {folder}"))
            return
        try:
            template = Template(files[name], name, files)
        except SpecError as error:
            self.problems += [_in_folder(problem, folder) for problem in error.problems]
            return
        for variable in sorted(template.variables - VARIABLES.keys()):
            message = f"the template uses '{variable}', which nothing gives; {unknown('variable', variable, VARIABLES)}"
            self.problems.append(Problem(f"{folder}/{name}", line_with(files, variable), "", message))
        found[step.name] = template


def is_prompt_file(name: str) -> bool:
    """Whether a file of a prompt's folder may be a prompt, or be included in one."""
    return name.endswith((".j2", ".jinja"))


def line_with(files: Mapping[str, str], word: str) -> int:
    """The first line that mentions a word, in the file that mentions it; 0 where none does."""
    for text in files.values():
        for number, line in enumerate(text.splitlines(), 1):
            if word in line:
                return number
    return 0


class _Wanted(Protocol):
    def __call__(self, name: str, /) -> bool: ...


def _in_folder(problem: Problem, folder: str) -> Problem:
    file = f"{folder.rstrip('/')}/{problem.file}" if problem.file else folder
    return Problem(file, problem.line, problem.path, problem.message)


def why_unreadable(error: Exception) -> str:
    """Why a file could not be read, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return getattr(error, "strerror", None) or str(error)
