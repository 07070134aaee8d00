"""YAML as plain values that remember their lines. Refuses aliases, duplicate keys and tags that build objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import yaml

from rayjob.spec.base import Problem

#: Where a value stands in its document: keys and indexes from the root.
Where = tuple[str | int, ...]

#: What plain YAML is made of; any other tag would build an object.
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
)

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Located:
    """A document's plain value, the 1-based line of everything in it, and what was wrong with its YAML."""

    file: str
    value: object = None
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, where: Where) -> int:
        """The line of `where`, or of the nearest thing around it that the document has."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def complain(self, where: Where, message: str) -> None:
        """Adds a problem about `where`, at its line."""
        self.problems.append(Problem(self.file, self.line(where), spell(where), message))


def spell(where: Where) -> str:
    """`("tags", 3, "id")` as a reader writes it: `tags[3].id`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return text.removeprefix(".")


def load_located(text: str, file: str) -> Located:
    """Reads one YAML document; what is wrong with it ends in `problems`, never in an exception."""
    found = Located(file)
    try:
        _refuse_bombs(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is not None:
            found.value = _Walk(loader, found).value(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        found.problems.append(Problem(file, line, "", f"not YAML: {_say(error, line)}{_hint(text, line)}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found.problems.append(
            Problem(file, line, "", f"not YAML: a character that YAML does not take ({_code(error)})")
        )
    except yaml.YAMLError as error:
        found.problems.append(Problem(file, 1, "", f"not YAML: {' '.join(str(error).split())}"))
    return found


def _say(error: yaml.MarkedYAMLError, line: int) -> str:
    """YAML's problem, with what it was about where that began on another line."""
    problem, context = str(error.problem or error.context), error.context
    if problem.startswith("but "):
        return f"{context}, {problem}"
    began = error.context_mark.line + 1 if error.context_mark else line
    return f"{problem} ({context}, which began on line {began})" if context and began != line else problem


def _code(error: yaml.reader.ReaderError) -> str:
    found = error.character
    return f"U+{found if isinstance(found, int) else ord(found):04X}"


def _refuse_bombs(text: str) -> None:
    """Raises MarkedYAMLError at an alias, which could be one of a bomb, and past 100 levels.

    libyaml's composer recurses in C: some 10,000 levels kill the process.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > 100 or isinstance(event, yaml.AliasEvent):
            what = "nested more than 100 levels deep" if depth > 100 else "an alias (*name); write the value out"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=cast(yaml.Mark, event.start_mark))


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    indent = lines[line - 1][: -len(lines[line - 1].lstrip()) or None] if line <= len(lines) else ""
    return " (indent with spaces, not tabs)" if "\t" in indent else ""


@dataclass(slots=True)
class _Walk:
    """Turns nodes into values."""

    loader: yaml.SafeLoader
    found: Located

    def value(self, node: yaml.Node, where: Where) -> object:
        self.found.lines.setdefault(where, node.start_mark.line + 1)
        if node.tag not in PLAIN_TAGS:
            self.found.complain(where, f"the tag {_short(node.tag)} means nothing here; write a plain value")
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(self.entries(node, where))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # a date such as 2026-02-31
            self.found.complain(where, f"'{node.value}' is no value: {error}; put it in quotes")
            return None

    def entries(self, node: yaml.MappingNode, where: Where) -> Iterator[tuple[str, object]]:
        keys: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            if key in keys:
                path = spell((*where, key))
                self.found.problems.append(Problem(self.found.file, line, path, "this key stands twice"))
            keys.add(key)
            self.found.lines.setdefault((*where, key), line)
            yield key, self.value(value_node, (*where, key))


def as_mapping(found: Located) -> Mapping[str, object] | None:
    """The document where it is a mapping; None, with a problem, where it is anything else."""
    if isinstance(found.value, dict):
        return found.value
    if not found.problems:
        what = "nothing" if found.value is None else "a list or a single value"
        found.complain((), f"expected keys and values, found {what}")
    return None
