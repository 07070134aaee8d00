"""Conditions like `intent.kappa < 0.8` that make a comparison fail in CI. Nothing is evaluated as code."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rayjob.reports.compare import Comparison

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_BOUNDS = ("low", "high")
_CONDITION = re.compile(
    r"\s*(?P<dimension>[\w-]+)\.(?P<metric>\w+)(?:\.(?P<bound>\w+))?\s*(?P<operator><=|>=|==|!=|<|>)\s*"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+))\s*(?P<percent>%?)\s*"
)
ACCEPTED = "<dimension|overall>.<metric>[.low|.high] < | <= | > | >= | == | != <number>[%], as in 'intent.kappa < 0.8'"


class ConditionError(ValueError):
    """A condition that cannot be read or names what is not there (exit 2)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """When a comparison fails: the metric (or a bound of its interval) of a dimension compared with a number."""

    text: str
    dimension: str
    metric: str
    bound: str
    operator: str
    number: float

    def holds(self, value: float) -> bool:
        """Whether the comparison fails at this value; one that is not defined cannot be trusted, so it fails too."""
        return math.isnan(value) or _OPERATORS[self.operator](value, self.number)


def parse_condition(text: str) -> Condition:
    """Read one condition. Raises ConditionError saying what is accepted."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConditionError(f"--fail-if {text!r}: not a condition; accepted: {ACCEPTED}")
    bound = match["bound"] or "value"
    if bound not in ("value", *_BOUNDS):
        raise ConditionError(f"--fail-if {text!r}: no bound {bound!r} (have: low, high){_did_you_mean(bound, _BOUNDS)}")
    limit = float(match["number"]) / (100 if match["percent"] else 1)
    return Condition(text.strip(), match["dimension"], match["metric"], bound, match["operator"], limit)


def failed_conditions(found: Comparison, conditions: Sequence[Condition]) -> list[str]:
    """A line for each condition that holds in a pair; with a reference only pairs with it are looked at.

    Raises ConditionError where a condition names a dimension or metric that no pair has.
    """
    pairs = [pair for pair in found.pairs if found.reference in (None, pair.a)]
    failed = []
    for condition in conditions:
        _check_names(condition, {name: metrics for pair in pairs for name, metrics in pair.metrics.items()})
        for pair in pairs:
            metric = pair.metrics.get(condition.dimension, {}).get(condition.metric)
            value = float("nan") if metric is None else float(getattr(metric, condition.bound))
            if condition.holds(value):
                sides = f"{found.sides[pair.a].name} | {found.sides[pair.b].name}"
                failed.append(f"{condition.text}: {'not defined' if math.isnan(value) else f'{value:.4f}'} ({sides})")
    return failed


def _check_names(condition: Condition, metrics: dict[str, object]) -> None:
    where = f"--fail-if {condition.text!r}"
    if condition.dimension not in metrics:
        raise ConditionError(
            f"{where}: no dimension {condition.dimension!r} {_have(condition.dimension, list(metrics))}"
        )
    there = metrics[condition.dimension]
    assert isinstance(there, dict)
    if condition.metric not in there:
        raise ConditionError(
            f"{where}: {condition.dimension} has no metric {condition.metric!r} {_have(condition.metric, list(there))}"
        )


def _have(name: str, names: Sequence[str]) -> str:
    return f"(have: {', '.join(names)}){_did_you_mean(name, names)}"


def _did_you_mean(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
