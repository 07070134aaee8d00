"""The lint of taxonomies: one table of doubts, and the shipped taxonomy without errors."""

from __future__ import annotations

import pytest

from rayjob.labels.rules import check_rules, parse_rules
from rayjob.labels.tags import LabelValue
from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy
from rayjob.labels.taxonomy_lint import MAX_DESCRIPTION, Finding, lint
from tests.labels.test_taxonomy_shipped import FOLDER, load


def tag(tag_id: str, *aliases: str, description: str = "Something.") -> Tag:
    return Tag(tag_id, tag_id, description, aliases)


def dimension(name: str, *tags: Tag, description: str = "A question.") -> Dimension:
    return Dimension(name, description, "multi", tags)


CASES: dict[str, tuple[list[Dimension], list[str]]] = {
    "clean": ([dimension("a", tag("x", "x", "ex"), tag("y")), dimension("b", tag("z", "ex"))], []),
    "one id in two dimensions": (
        [dimension("a", tag("x")), dimension("b", tag("x"))],
        ["error: b.x: the same id as a.x; rename one"],
    ),
    "ids that answers cannot tell apart": (
        [dimension("a", tag("data-types"), tag("Data_Types"))],
        ["error: a.Data_Types: the same id as a.data-types; rename one"],
    ),
    "an alias of two tags": (
        [dimension("a", tag("x", "ex"), tag("y", "Ex"))],
        ["error: a.y: the alias 'Ex' is also one of x"],
    ),
    "an alias that is a tag here": (
        [dimension("a", tag("x", "y"), tag("y"))],
        ["error: a.x: the alias 'y' is the id of another tag here"],
    ),
    "an alias that is a tag elsewhere": (
        [dimension("a", tag("x", "z")), dimension("b", tag("z"))],
        ["warning: a.x: the alias 'z' is the id of b.z; in this dimension it means this tag"],
    ),
    "an empty alias": ([dimension("a", tag("x", " "))], ["error: a.x: an alias is empty"]),
    "no descriptions": (
        [dimension("a", tag("x", description=""), description="")],
        ["error: a.x: no description: models choose by it", "warning: a: the dimension has no description"],
    ),
    "just short enough": ([dimension("a", tag("x", description="d" * MAX_DESCRIPTION))], []),
    "too long": (
        [dimension("a", tag("x", description="d" * (MAX_DESCRIPTION + 1)))],
        ["warning: a.x: the description has 161 characters; 160 is the most that pays"],
    ),
    "two lines": (
        [dimension("a", tag("x", description="d\nd"))],
        ["warning: a.x: the description has more than one line"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_doubt_is_found_and_nothing_else(case: str) -> None:
    dimensions, expected = CASES[case]
    assert [str(finding) for finding in lint(Taxonomy.of(dimensions))] == expected


def test_the_shipped_taxonomy_has_no_error_and_the_three_known_warnings() -> None:
    findings = lint(load())
    assert [(finding.severity, finding.dimension, finding.tag) for finding in findings] == [
        ("warning", "agentic", "build-execution"),
        ("warning", "task", "code-review-task"),
        ("warning", "task", "performance-analysis"),
    ]
    assert findings[0] == Finding(
        "warning", "agentic", "build-execution",
        "the alias 'build' is the id of intent.build; in this dimension it means this tag",
    )  # fmt: skip


@pytest.mark.parametrize(("file", "count"), [("rules.yaml", 4), ("rules-strict.yaml", 8)])
def test_shipped_rules_speak_of_tags_that_exist(file: str, count: int) -> None:
    rules, problems = parse_rules((FOLDER / file).read_text(encoding="utf-8"), load(), file)
    assert problems == []
    assert len(rules) == count


WARNED: dict[str, dict[str, LabelValue]] = {
    "learn-many-agentic": {"intent": "learn", "agentic": ["planning", "api-calling", "web-search", "bash-execution"]},
    "build-without-feature": {"intent": "build", "task": ["configuration"]},
    "beginner-many-concepts": {"difficulty": "beginner", "concept": ["recursion", "caching", "testing", "functions"]},
    "beginner-constraint": {"difficulty": "beginner", "constraint": ["portable"]},
}
SILENT: dict[str, dict[str, LabelValue]] = {
    "learn with three": {"intent": "learn", "agentic": ["planning", "api-calling", "web-search"]},
    "build without tasks": {"intent": "build", "task": []},
    "build a feature": {"intent": "build", "task": ["configuration", "feature-implementation"]},
    "beginner with three": {"difficulty": "beginner", "concept": ["recursion", "caching", "testing"], "constraint": []},
}


def test_the_four_rules_warn_at_their_border_and_not_before_it() -> None:
    rules, _ = parse_rules((FOLDER / "rules.yaml").read_text(encoding="utf-8"), load())
    by_id = {rule.id: rule.warn for rule in rules}
    assert {name: check_rules(rules, labels) for name, labels in WARNED.items()} == {
        name: [by_id[name]] for name in WARNED
    }
    assert {name: check_rules(rules, labels) for name, labels in SILENT.items()} == {name: [] for name in SILENT}
