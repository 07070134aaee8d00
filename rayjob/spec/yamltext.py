"""Reads YAML safely, remembering the line of every value. Refuses duplicate keys, tabs, alias loops and bombs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from rayjob.spec.base import Problem, SpecError

Path = tuple[str | int, ...]

#: A spec of a few hundred nodes is large; an alias bomb has millions.
MAX_NODES = 50_000


@dataclass(frozen=True, slots=True)
class YamlText:
    """A parsed YAML document: plain values, and the line on which each path stands (1-based)."""

    file: str
    value: object
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """The line of a path, or of its closest parent that the file spells out; 0 where there is none."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: Path, message: str) -> Problem:
        """A Problem at this path."""
        return Problem(self.file, self.line_of(path), show_path(path), message)


def show_path(path: Path) -> str:
    """`("steps", 1, "label")` as `steps[1].label`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse_yaml(text: str, file: str) -> YamlText:
    """Parse one document. Raises SpecError with the file and line of what YAML (or we) cannot accept."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise SpecError([_problem_of(error, file)]) from error
    except yaml.YAMLError as error:
        raise SpecError([Problem(file, 0, "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    except RecursionError as error:
        raise SpecError([Problem(file, 0, "", "nested too deeply to be a spec")]) from error
    if node is None:
        return YamlText(file, None, {})
    walk = _Walk(file)
    value = walk.build(node, ())
    if walk.problems:
        raise SpecError(walk.problems)
    return YamlText(file, value, walk.lines)


def _problem_of(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    what = error.problem or str(error)
    if "\\t" in what:
        return Problem(file, line, "", "a tab indents this line; YAML accepts only spaces there")
    return Problem(file, line, "", f"not YAML: {what}")


class _Walk:
    """Turns composed nodes into values, noting lines; stops at loops and at MAX_NODES."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self.open: set[int] = set()
        self.scalars = yaml.SafeLoader("")

    def refuse(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, show_path(path), message))

    def build(self, node: yaml.Node, path: Path) -> object:
        self.lines[path] = node.start_mark.line + 1
        if len(self.lines) > MAX_NODES:
            raise SpecError([Problem(self.file, 0, show_path(path), f"aliases expand to over {MAX_NODES:,} values")])
        if id(node) in self.open:
            self.refuse(node, path, "an alias that contains itself")
            return None
        self.open.add(id(node))
        try:
            return self._value(node, path)
        finally:
            self.open.discard(id(node))

    def _value(self, node: yaml.Node, path: Path) -> object:
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        try:
            return self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self.refuse(node, path, f"not a plain value: {str(error).splitlines()[0]}")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key == "<<":
                self.refuse(key_node, path, "keys are plain words here (no merges, no lists as keys)")
            elif key in found:
                self.refuse(key_node, (*path, key), f"'{key}' stands twice; keep one")
            else:
                found[key] = self.build(value_node, (*path, key))
        return found
