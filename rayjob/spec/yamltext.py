"""A spec's YAML as plain values with the line of each, or every reason why it cannot be read. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rayjob.spec.base import Problem, SpecError
from rayjob.spec.located import Where as Path
from rayjob.spec.located import load_located, spell

__all__ = ["Path", "YamlText", "parse_yaml", "spell"]

_NOTHING = object()


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed YAML document: plain values, and the line on which each path stands (1-based).

    `overrides` are the paths that `--set` gave.
    """

    file: str
    value: object
    lines: Mapping[Path, int] = field(default_factory=dict)
    overrides: set[Path] = field(default_factory=set)

    def has(self, path: Path) -> bool:
        """Whether the document (or an override) has a value at a path."""
        return self.at(path, _NOTHING) is not _NOTHING

    def at(self, path: Path, default: object = None) -> object:
        """The value at a path."""
        here: object = self.value
        for part in path:
            try:
                here = here[part]  # type: ignore[index]
            except (LookupError, TypeError):
                return default
        return here

    def line_of(self, path: Path) -> int:
        """The line of a path, or of its closest parent that the file spells out; 1 where there is none."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, message: str) -> Problem:
        """A Problem at this path, or at the override that gave what stands there."""
        if any(path[:end] in self.overrides for end in range(len(path), 0, -1)):
            return Problem("--set", 0, spell(path), message)
        return Problem(self.file, self.line_of(path), spell(path), message)


def parse_yaml(text: str, file: str) -> YamlText:
    """Parse one document. Raises SpecError with the file and line of everything YAML (or we) cannot accept."""
    found = load_located(text, file)
    if found.problems:
        raise SpecError(found.problems)
    return YamlText(file, found.value, found.lines)
