"""The Jinja sandbox of prompts: data only. Refuses private names, method calls, big loops and big texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.loaders import DictLoader
from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: One rendered message; the longest conversation that is cut to a budget stays far below.
MAX_RENDERED_CHARS = 16_000_000
#: Steps of all `range` loops of one rendering together.
MAX_LOOP_STEPS = 100_000
#: Characters or items that `*` may make.
MAX_REPEATED = 10_000

FILTERS = frozenset(
    {
        "batch", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "indent", "int",
        "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
        "reverse", "round", "select", "selectattr", "slice", "sort", "string", "sum", "title", "tojson", "trim",
        "truncate", "unique", "upper", "wordcount",
    }
)  # fmt: skip
METHODS = frozenset(
    {"endswith", "get", "items", "join", "keys", "lower", "split", "startswith", "strip", "title", "upper", "values"}
)
_CALLABLE = "a prompt may call macros, range, and these methods: " + ", ".join(sorted(METHODS))


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Templates that see values and nothing behind them. One rendering at a time."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(
            loader=DictLoader(dict(files)), undefined=StrictUndefined, autoescape=False,
            trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        )  # fmt: skip
        self.filters = {name: function for name, function in self.filters.items() if name in FILTERS}
        self.filters |= {"indent": _indent, "tojson": _tojson}
        self.globals = {"range": self._range, "dict": dict}
        self.steps_left = MAX_LOOP_STEPS

    def _range(self, *limits: int) -> range:
        steps = range(*limits)
        self.steps_left -= len(steps)
        if self.steps_left < 0:
            raise SecurityError(f"range makes more than {MAX_LOOP_STEPS:,} steps")
        return steps

    def is_safe_callable(self, obj: Any) -> bool:
        """Macros, blocks and loops of Jinja's own, `range`, `dict`, and the methods in METHODS."""
        own = isinstance(obj, Macro | BlockReference | LoopContext) or obj in (self._range, dict)
        return own or getattr(obj, "__name__", "") in METHODS | {"cycle", "changed"}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`*` is capped, `**` is for small numbers, `%` does not format texts."""
        if operator == "*":
            size = max((len(side) for side in (left, right) if hasattr(side, "__len__")), default=0)
            times = max((side for side in (left, right) if isinstance(side, int)), default=1)
            if size * times > MAX_REPEATED:
                raise SecurityError(f"* makes more than {MAX_REPEATED:,} characters")
        elif (operator == "**" and (abs(left) > 1_000 or abs(right) > 20)) or isinstance(left, str):
            raise SecurityError(f"{operator} is not for this")
        return super().call_binop(context, operator, left, right)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    pad = " " * min(int(width), 40)
    lines = text.split("\n")
    return "\n".join(pad + line if line and (index or first) else line for index, line in enumerate(lines))


def _tojson(value: object, indent: int | None = None) -> str:
    """Plain JSON: Jinja's own escapes for HTML, which a model would read as noise."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def forbidden(tree: nodes.Template) -> list[tuple[int, str]]:
    """What a prompt may not do, found without running it: (line, message)."""
    found: list[tuple[int, str]] = []
    for kind, check in _CHECKS.items():
        found += [(node.lineno, message) for node in tree.find_all(kind) if (message := check(node))]
    return sorted(set(found))


def _check_attribute(node: Any) -> str:
    return _check_name(node.attr)


def _check_item(node: Any) -> str:
    return _check_name(node.arg.value) if isinstance(node.arg, nodes.Const) else ""


def _check_name(name: object) -> str:
    if isinstance(name, str) and name.startswith("_"):
        return f"'{name}' is private: a prompt sees values, not what is behind them"
    return ""


def _check_filter(node: Any) -> str:
    return "" if node.name in FILTERS else f"no filter called '{node.name}' (have: {', '.join(sorted(FILTERS))})"


def _check_call(node: Any) -> str:
    """What is plain from the text; the rest is refused when it is called."""
    target = node.node
    imported = isinstance(target, nodes.Getattr) and isinstance(target.node, nodes.Name)
    named = isinstance(target, nodes.Getattr) and (
        target.attr in METHODS or (imported and not hasattr(str, target.attr))
    )
    return "" if named or isinstance(target, nodes.Name) else _CALLABLE


def _check_reference(node: Any) -> str:
    named = isinstance(node.template, nodes.Const) and isinstance(node.template.value, str)
    return "" if named else "include, import and extends need the name of a file in quotes"


_CHECKS: Mapping[type[nodes.Node], Callable[[Any], str]] = {
    nodes.Getattr: _check_attribute,
    nodes.Getitem: _check_item,
    nodes.Filter: _check_filter,
    nodes.Call: _check_call,
    nodes.Include: _check_reference,
    nodes.Import: _check_reference,
    nodes.FromImport: _check_reference,
    nodes.Extends: _check_reference,
}
