#!/usr/bin/env python3
"""The import layers of the package, enforced: imports point one way, and heavy libraries have one door each.

Reads the source (AST), imports nothing. Prints every violation as `file:line: …` and exits 1, or exits 0 in silence.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Highest first. A folder may import from folders on lower lines only; folders on one line do not know each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("engine",),
    ("steps", "reports", "review"),
    ("plan", "llm", "store", "choice"),
    ("spec", "labels", "vectors"),
)
RANK = {folder: len(LAYERS) - row for row, folders in enumerate(LAYERS) for folder in folders}

#: SpecModel, Problem, SpecError and YAML with line numbers stand below every layer.
BASE = ("rayjob.spec.base", "rayjob.spec.located")

#: The one folder through which a library is reached.
DOORS = {
    "ray": "engine",
    "litellm": "llm",
    "torch": "choice",
    "sentence_transformers": "choice",
    "safetensors": "choice",
}

#: Loops over a batch: whatever it needs from a file or a bucket is passed in.
NO_FILES = ("steps",)


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One import that points the wrong way."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_tree(root: Path) -> list[Violation]:
    """All violations in `root`/rayjob/**/*.py, sorted."""
    files = sorted((root / "rayjob").rglob("*.py"))
    return sorted({found for file in files for found in check_file(file.relative_to(root), file.read_text("utf-8"))})


def check_file(path: Path, source: str) -> Iterator[Violation]:
    """Violations of one file; `path` is relative to the repository (rayjob/<folder>/…)."""
    folder = path.parts[1] if len(path.parts) > 2 else ""
    for line, target in imports(path, ast.parse(source)):
        message = fault(folder, target)
        if message:
            yield Violation(path.as_posix(), line, message)


def imports(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything imported, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(path, node)
            names = [f"{base}.{alias.name}" for alias in node.names] if base.count(".") < 2 else [base]
            yield from ((node.lineno, name) for name in names)


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """The module a `from … import` names, relative ones resolved against the file's package."""
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join((*package, *filter(None, [node.module])))


def fault(folder: str, target: str) -> str:
    """What is wrong with `folder` importing `target`; empty when nothing is."""
    top, _, rest = target.partition(".")
    if top != "rayjob":
        door = DOORS.get(top)
        return f"{folder or 'rayjob'} imports {top}: only {door} may" if door and door != folder else ""
    other = rest.partition(".")[0]
    if (
        not folder
        or not other
        or other.startswith("__")
        or folder == other
        or f"{target}.".startswith(tuple(f"{base}." for base in BASE))
    ):
        return ""
    if folder not in RANK or other not in RANK:
        return f"{folder if folder not in RANK else other} is not a layer: {', '.join(RANK)}"
    if other == "store" and folder in NO_FILES:
        return f"{folder} imports store: it reads no files, they are passed in"
    if RANK[folder] == RANK[other]:
        return f"{folder} imports {other}: siblings do not know each other"
    return f"{folder} imports {other}: imports point the other way" if RANK[folder] < RANK[other] else ""


def main(arguments: Iterable[str]) -> int:
    """Checks the repository at the given root (default: this one); the exit status."""
    root = Path(next(iter(arguments), Path(__file__).resolve().parent.parent))
    violations = check_tree(root)
    sys.stdout.writelines(f"{violation}\n" for violation in violations)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
