"""Consistency rules: what holds, and what is said of rules that cannot."""

from __future__ import annotations

import pytest

from rayjob.labels.rules import check_rules, parse_rules
from tests.labels.small import SMALL

LABELS = {"intent": "learn", "language": ["python", "go"], "domain": [], "concept": ["caching"], "context": ""}


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("{intent: learn}", True),
        ("{intent: [build, learn]}", True),
        ("{intent: build}", False),
        ("{intent: learn, language: go}", True),
        ("{intent: learn, language: cpp}", False),
        ("{language: {is: [go, python]}}", True),
        ("{language: {is: go}}", False),
        ("{language: {all_of: [go, python]}}", True),
        ("{language: {all_of: [go, cpp]}}", False),
        ("{language: {any_of: [go, cpp]}}", True),
        ("{language: {none_of: [cpp]}}", True),
        ("{language: {none_of: [cpp, go]}}", False),
        ("{language: {more_than: 1}}", True),
        ("{language: {more_than: 2}}", False),
        ("{language: {fewer_than: 3}}", True),
        ("{language: {fewer_than: 2}}", False),
        ("{domain: {empty: true}}", True),
        ("{language: {empty: false, none_of: [cpp]}}", True),
        ("{domain: {empty: false, none_of: [automation]}}", False),
        ("{context: {empty: true}}", True),
    ],
)
def test_conditions(when: str, holds: bool) -> None:
    rules, problems = parse_rules(f"- {{id: r, when: {when}, warn: careful}}", SMALL)
    assert problems == []
    assert check_rules(rules, LABELS) == ["careful"] * holds  # type: ignore[arg-type]


WRONG = {
    "- {when: {intnet: learn}, warn: x}": "rules.yaml:1: [0].when.intnet: no dimension called 'intnet' (have: intent, "
    "language, domain, concept, context); did you mean 'intent'?",
    "- when: {intent: lern}\n  warn: x": "no tag in intent called 'lern' (have: learn, build, debug); did you mean",
    "- {when: {language: {atleast: 1}}, warn: x}": "no condition called 'atleast'",
    "- {when: {language: {more_than: lots}}, warn: x}": "found 'lots'; expected a number of tags",
    "- {when: {language: {more_than: true}}, warn: x}": "found True; expected a number of tags",
    "- {when: {language: {empty: 1}}, warn: x}": "found 1; expected true or false",
    "- {when: {language: []}, warn: x}": "names no tag; for no tags at all write {empty: true}",
    "- {when: {intent: learn}}": "[0].warn: missing: the text of the warning",
    "- {warn: x}": "[0].when: missing: conditions by dimension",
    "- {when: {intent: learn}, warn: x, level: 3}": "unknown key (have: id, when, warn)",
    "- {id: a, when: {intent: learn}, warn: x}\n- {id: a, when: {intent: learn}, warn: x}": "'a' stands twice",
    "- just text": "a rule has the keys id, when, warn",
    "intent: learn": "rules are a list",
    "- {when: {intent: learn}, when: {}, warn: x}": "this key stands twice",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_problems_say_where_and_what_would_do(text: str, said: str) -> None:
    _, problems = parse_rules(text, SMALL)
    assert any(said in str(problem) for problem in problems), [str(problem) for problem in problems]


def test_no_rules_are_fine_and_a_wrong_rule_does_not_hide_the_others() -> None:
    assert parse_rules("", SMALL) == ((), [])
    rules, problems = parse_rules("- {when: {x: y}, warn: a}\n- {when: {intent: learn}, warn: b}", SMALL)
    assert ([rule.warn for rule in rules], len(problems)) == (["b"], 1)
