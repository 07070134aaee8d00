"""What the source of a prompt says before it is rendered: its messages, variables, files and mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError, meta, nodes

from rayjob.labels.prompt_sandbox import PromptEnvironment, forbidden
from rayjob.spec.base import Problem

#: In `label_reads`: the template uses `labels` as a whole.
ALL_LABELS = "*"

_MARKER = re.compile(r"^---[ \t]+(system|user|assistant)[ \t]*\r?$", re.MULTILINE)
_REFERENCES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def split_messages(text: str) -> Iterator[tuple[str, str]]:
    """(role, source) a message: the part before the first marker stands before each; line numbers stay the file's."""
    marks = list(_MARKER.finditer(text))
    if not marks:
        if text.strip():
            yield "user", text
        return
    preamble = text[: marks[0].start()]
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)]
        skipped = text[len(preamble) : mark.end()].count("\n")
        yield mark[1], preamble + "\n" * skipped + body


@dataclass(slots=True)
class Sources:
    """The trees of a template and of every file it takes in, directly or not, and everything wrong with any of them."""

    environment: PromptEnvironment
    files: Mapping[str, str]
    trees: dict[str, nodes.Template] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self, name: str, path: tuple[str, ...] = ()) -> None:
        """Parses `name` and what it references; `path` are the files that led here."""
        try:
            tree = self.trees[name] = self.environment.parse(self.files[name], name, name)
        except TemplateSyntaxError as error:
            self.problems.append(Problem(name, error.lineno, "", f"not a template: {error.message}"))
            return
        self.problems += [Problem(name, line, "", message) for line, message in forbidden(tree)]
        for other in references(tree):
            if other not in self.files:
                have = ", ".join(sorted(set(self.files) - {name})) or "no other file"
                self.complain(tree, name, other, f"no file called '{other}' (have: {have})")
            elif other in (name, *path):
                self.complain(tree, name, other, f"'{other}' takes itself in")
            elif other not in self.trees:
                self.read(other, (*path, name))

    def complain(self, tree: nodes.Template, name: str, reference: str, message: str) -> None:
        """A problem at the line that takes in `reference`."""
        lines = [node.lineno for node in tree.find_all(_REFERENCES) if _target(node) == reference]
        self.problems.append(Problem(name, min(lines, default=1), "", message))

    def check_messages(self, name: str) -> None:
        """A block that spans two messages parses as a whole and not in its parts."""
        for role, source in split_messages(self.files[name]):
            try:
                self.environment.parse(source, name, name)
            except TemplateSyntaxError as error:
                message = f"{error.message} (a block must end in the {role} message it begins in)"
                self.problems.append(Problem(name, error.lineno, "", message))

    def variables(self, tree: nodes.Template) -> frozenset[str]:
        """What `tree` and the files it takes in look up in the context."""
        found = set(meta.find_undeclared_variables(tree))
        for other in references(tree):
            found |= self.variables(self.trees[other])
        return frozenset(found)

    def label_reads(self) -> frozenset[str]:
        """Dimensions whose earlier labels any of the files reads; ALL_LABELS where `labels` stands for itself."""
        return frozenset().union(*map(_label_reads, self.trees.values()))


def references(tree: nodes.Template) -> list[str]:
    """The files a template takes in."""
    return sorted(filter(None, meta.find_referenced_templates(tree)))


def _target(node: nodes.Node) -> object:
    return getattr(getattr(node, "template", None), "value", None)


def _label_reads(tree: nodes.Template) -> frozenset[str]:
    """Dimensions read as labels.x, labels['x'] or labels.get('x'); ALL_LABELS where `labels` stands for itself."""
    reads: set[str] = set()
    named: set[int] = set()
    for access in tree.find_all((nodes.Getattr, nodes.Getitem)):
        name = _accessed(access)
        if name is not None:
            named.add(id(access.node))  # type: ignore[attr-defined]
            reads.add(name)
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Getattr) and _is_labels(call.node.node) and call.node.attr == "get":
            reads.discard("get")
            literal = call.args and isinstance(call.args[0], nodes.Const)
            reads.add(str(call.args[0].value) if literal else ALL_LABELS)  # type: ignore[attr-defined]
        elif isinstance(call.node, nodes.Getattr) and _is_labels(call.node.node):
            reads.discard(call.node.attr)
            reads.add(ALL_LABELS)
    bare = any(_is_labels(node) and id(node) not in named for node in tree.find_all(nodes.Name))
    return frozenset(reads | {ALL_LABELS} if bare else reads)


def _accessed(access: nodes.Node) -> str | None:
    if isinstance(access, nodes.Getattr) and _is_labels(access.node):
        return access.attr
    if isinstance(access, nodes.Getitem) and _is_labels(access.node) and isinstance(access.arg, nodes.Const):
        return str(access.arg.value)
    return None


def _is_labels(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "labels" and node.ctx == "load"
