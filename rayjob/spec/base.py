"""The base of every spec model, and the Problem that a spec's reader can act on."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class SpecModel(BaseModel):
    """A part of the spec: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing the user must fix: where it stands, what it is, what would be accepted."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        said = f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said)


class SpecError(Exception):
    """The user must fix the spec (exit 2). Carries all problems at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
