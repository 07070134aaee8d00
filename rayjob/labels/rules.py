"""Consistency rules as data: which labels do not fit together. A rule warns; it changes nothing and runs no code."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rayjob.labels.tags import LabelValue
from rayjob.labels.taxonomy import Dimension, Taxonomy
from rayjob.spec.base import Problem
from rayjob.spec.located import Located, Where, load_located

#: What may stand under a dimension, as a reader is told.
CONDITIONS = {
    "is": "tags, all of them and no other",
    "any_of": "tags, at least one of them",
    "none_of": "tags, not one of them",
    "all_of": "tags, every one of them",
    "more_than": "a number of tags",
    "fewer_than": "a number of tags",
    "empty": "true or false",
}
_KEYS = ("id", "when", "warn")


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one dimension's tags."""

    dimension: str
    test: str
    tags: tuple[str, ...] = ()
    number: int = 0

    def holds(self, found: Sequence[str]) -> bool:
        """Whether these tags meet it."""
        return _TESTS[self.test](self, found)


_TESTS: Mapping[str, Callable[[Condition, Sequence[str]], bool]] = {
    "is": lambda condition, found: set(found) == set(condition.tags),
    "any_of": lambda condition, found: any(tag in condition.tags for tag in found),
    "none_of": lambda condition, found: not any(tag in condition.tags for tag in found),
    "all_of": lambda condition, found: all(tag in found for tag in condition.tags),
    "more_than": lambda condition, found: len(found) > condition.number,
    "fewer_than": lambda condition, found: len(found) < condition.number,
    "empty": lambda condition, found: bool(found) != bool(condition.number),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Warns where all its conditions hold."""

    id: str
    conditions: tuple[Condition, ...]
    warn: str


def check_rules(rules: Iterable[Rule], labels: Mapping[str, LabelValue]) -> list[str]:
    """The warnings of the rules that hold, in the rules' order. A dimension without a label is empty."""
    tags = {
        name: [tag for tag in ([label] if isinstance(label, str) else label) if tag] for name, label in labels.items()
    }
    return [rule.warn for rule in rules if all(c.holds(tags.get(c.dimension, ())) for c in rule.conditions)]


def parse_rules(text: str, taxonomy: Taxonomy, file: str = "rules.yaml") -> tuple[tuple[Rule, ...], list[Problem]]:
    """The rules in a YAML list, and everything wrong with it by line. A rule with a problem is left out."""
    found = load_located(text, file)
    entries = found.value if isinstance(found.value, list) else []
    if not isinstance(found.value, list) and not found.problems and found.value is not None:
        found.complain((), "rules are a list: `- {id: …, when: {dimension: tag}, warn: …}`")
    rules: dict[str, Rule] = {}
    for index, entry in enumerate(entries):
        rule = _Reader(found, taxonomy).rule(entry, (index,))
        if rule and rule.id in rules:
            found.complain((index, "id"), f"the rule '{rule.id}' stands twice")
        elif rule:
            rules[rule.id] = rule
    return tuple(rules.values()), sorted(set(found.problems))


@dataclass(frozen=True, slots=True)
class _Reader:
    found: Located
    taxonomy: Taxonomy

    def rule(self, entry: object, where: Where) -> Rule | None:
        before = len(self.found.problems)
        if not isinstance(entry, dict):
            self.found.complain(where, "a rule has the keys id, when, warn")
            return None
        for key in entry:
            if key not in _KEYS:
                self.found.complain((*where, key), f"unknown key (have: {', '.join(_KEYS)})" + did_you_mean(key, _KEYS))
        warn = entry.get("warn")
        if not isinstance(warn, str) or not warn.strip():
            self.found.complain((*where, "warn"), "missing: the text of the warning")
        conditions = self.when(entry.get("when"), (*where, "when"))
        name = str(entry.get("id") or f"rule-{where[0]}")
        return Rule(name, conditions, str(warn)) if len(self.found.problems) == before else None

    def when(self, value: object, where: Where) -> tuple[Condition, ...]:
        if not isinstance(value, dict) or not value:
            self.found.complain(
                where, "missing: conditions by dimension, such as {intent: learn, concept: {more_than: 3}}"
            )
            return ()
        conditions: list[Condition] = []
        for name, wanted in value.items():
            dimension = self.taxonomy.dimensions.get(name)
            if dimension is None:
                self.found.complain((*where, name), _unknown("dimension", name, self.taxonomy.dimensions))
            else:
                conditions += self.conditions(dimension, wanted, (*where, name))
        return tuple(conditions)

    def conditions(self, dimension: Dimension, wanted: object, where: Where) -> list[Condition]:
        if not isinstance(wanted, dict):
            return [Condition(dimension.name, "any_of", self.tags(dimension, wanted, where))]
        found = []
        for test, value in wanted.items():
            if test not in CONDITIONS:
                self.found.complain((*where, test), _unknown("condition", test, CONDITIONS))
            elif test == "empty" or test.endswith("_than"):
                found.append(Condition(dimension.name, test, number=self.number(test, value, (*where, test))))
            else:
                found.append(Condition(dimension.name, test, self.tags(dimension, value, (*where, test))))
        return found

    def number(self, test: str, value: object, where: Where) -> int:
        fits = isinstance(value, bool) if test == "empty" else isinstance(value, int) and not isinstance(value, bool)
        if not fits or (isinstance(value, int) and value < 0):
            self.found.complain(where, f"found {value!r}; expected {CONDITIONS[test]}")
            return 0
        return int(value) if isinstance(value, int) else 0

    def tags(self, dimension: Dimension, value: object, where: Where) -> tuple[str, ...]:
        named = value if isinstance(value, list) else [value]
        if not named:
            self.found.complain(where, "names no tag; for no tags at all write {empty: true}")
        for tag in named:
            if tag not in dimension.pool:
                message = _unknown(f"tag in {dimension.name}", str(tag), [known.id for known in dimension.tags])
                self.found.complain(where, message)
        return tuple(str(tag) for tag in named)


def _unknown(kind: str, word: str, accepted: Iterable[str]) -> str:
    names = list(accepted)
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"no {kind} called '{word}' (have: {shown})" + did_you_mean(word, names)


def did_you_mean(word: str, accepted: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something accepted is close, else nothing."""
    close = difflib.get_close_matches(word, list(accepted), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
