"""Reads the files that a spec names, collecting problems instead of stopping at the first. Opens nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rayjob.labels.prompt import VARIABLES, Template
from rayjob.labels.rules import Rule, parse_rules
from rayjob.labels.taxonomy import Taxonomy, is_dimension_file, parse_taxonomy
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.label import LabelStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.model import JobSpec, Step
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


class _Wanted(Protocol):
    def __call__(self, name: str, /) -> bool: ...


class Reading:
    """Reads one spec's files; `problems` are those found so far."""

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


def _in_folder(problem: Problem, folder: str) -> Problem:
    file = f"{folder.rstrip('/')}/{problem.file}" if problem.file else folder
    return Problem(file, problem.line, problem.path, problem.message)


def why_unreadable(error: Exception) -> str:
    """Why a file could not be read, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return getattr(error, "strerror", None) or str(error)


def prompt_file(step: Step, layout: str) -> str | None:
    """The template of a step; `layout: shared_prefix` takes NAME.shared.j2 in place of a label step's NAME.j2."""
    file = getattr(step.settings, "prompt", None)
    if not isinstance(file, str):
        return None
    stem, dot, end = file.rpartition(".")
    other = layout == "shared_prefix" and isinstance(step.settings, LabelStep) and not stem.endswith(".shared")
    return f"{stem}.shared{dot}{end}" if other else file
