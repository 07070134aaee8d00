"""Resolving answers: ids, aliases, tags that belong elsewhere, and what no pool has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.answer import Answer, Suggestion
from rayjob.labels.tags import Resolved, resolve
from tests.labels.small import CONCEPT, CONTEXT, DOMAIN, INTENT, LANGUAGE, SMALL

CHARACTER = (INTENT, LANGUAGE, DOMAIN)


def character(**values: object) -> Resolved:
    full = {"intent": "build", "language": [], "domain": [], **values}
    return resolve(Answer(full, dict.fromkeys(full, 0.9)), CHARACTER, SMALL)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        (["python", "go"], ["python", "go"]),
        (["Python", "GOLANG", " c++ "], ["python", "go", "cpp"]),
        (["go", "golang", "go"], ["go"]),
        ("python", ["python"]),
        ("python, go", ["python", "go"]),
        (["none"], []),
        (["N/A", None, "null", ""], []),
        (None, []),
    ],
)
def test_languages_are_canonical_without_repeats_in_order(said: object, labels: list[str]) -> None:
    found = character(language=said)
    assert (found.labels["language"], found.unmapped, found.issues) == (labels, (), ())


def test_an_alias_is_recorded_as_canonicalized() -> None:
    assert [entry.to_dict() for entry in character(language=["golang"]).canonicalized] == [
        {"dimension": "language", "value": "golang", "to_dimension": "language", "to": "go"}
    ]


def test_spelling_with_spaces_or_underscores_is_the_same_tag() -> None:
    found = resolve(Answer({"concept": ["Data_Structures", "data structures"]}), (CONCEPT,), SMALL)
    assert found.labels["concept"] == ["data-structures"]


def test_a_tag_of_another_dimension_asked_here_moves_there() -> None:
    found = character(language=["python", "automation"], domain=["web-backend"])
    assert found.labels == {"intent": "build", "language": ["python"], "domain": ["web-backend", "automation"]}
    assert found.canonicalized[0].to_dict()["to_dimension"] == "domain"
    assert found.unmapped == ()


def test_a_single_select_dimension_takes_a_moved_tag_only_when_empty() -> None:
    taken = character(intent="learn", domain=["debug"])
    assert (taken.labels["intent"], [entry.value for entry in taken.unmapped]) == ("learn", ["debug"])
    empty = character(intent="", domain=["debug"])
    assert (empty.labels["intent"], empty.unmapped) == ("debug", ())


def test_a_tag_of_a_dimension_asked_elsewhere_is_handed_on() -> None:
    found = character(domain=["caching"])
    assert [(move.to_dimension, move.to) for move in found.moves] == [("concept", "caching")]
    assert (found.labels["domain"], found.unmapped) == ([], ())


def test_a_spelling_with_two_homes_is_unmapped() -> None:
    found = character(domain=["shared-alias"])  # an alias in concept and in context
    assert [entry.to_dict() for entry in found.unmapped] == [
        {"dimension": "domain", "value": "shared-alias", "kind": "violation"}
    ]


def test_violations_are_issues_and_suggestions_are_not() -> None:
    answer = Answer({"language": ["cuda"]}, {}, (Suggestion("", "kernels"), Suggestion("", "none")))
    found = resolve(answer, (LANGUAGE,), SMALL)
    assert [(entry.value, entry.kind) for entry in found.unmapped] == [("kernels", "suggestion"), ("cuda", "violation")]
    assert found.issues == ("language: 'cuda' not in pool",)


def test_an_offered_tag_that_is_a_label_already_is_no_news() -> None:
    answer = Answer({"language": ["go"]}, {}, (Suggestion("", "golang"), Suggestion("", "python")))
    assert [entry.value for entry in resolve(answer, (LANGUAGE,), SMALL).unmapped] == ["python"]


def test_a_dimension_without_an_answer_is_empty_and_trusted_not_at_all() -> None:
    found = resolve(Answer({"language": ["go"]}, {"language": 0.9, "intent": 0.9}), (INTENT, LANGUAGE), SMALL)
    assert found.labels["intent"] == ""
    assert found.issues == ("Missing: intent",)
    assert found.confidence == {"intent": 0.0, "language": 0.9}


def test_a_single_select_dimension_keeps_the_first_of_several() -> None:
    found = character(intent=["learn", "build"])
    assert found.labels["intent"] == "learn"
    assert found.issues == ("intent: takes one tag, 'build' came after 'learn'",)


# -- exact: the pool check alone ------------------------------------------------------------------------------------

EXACT: list[tuple[dict[str, object], dict[str, Any], list[str], list[tuple[str, str]]]] = [
    ({"intent": "learn", "language": ["go", "go"]}, {"intent": "learn", "language": ["go", "go"]}, [], []),
    (
        {"intent": "Learn", "language": ["golang", "go", "golang"]},
        {"intent": "", "language": ["go"]},
        ["intent: 'Learn' not in pool", *["language: 'golang' not in pool"] * 2],
        [("intent", "Learn"), ("language", "golang"), ("language", "golang")],
    ),
    ({"intent": "", "language": "go"}, {"intent": "", "language": ["go"]}, [], []),
    ({"intent": None, "language": []}, {"intent": "", "language": []}, [], []),
    ({"language": ["go"]}, {"intent": "", "language": ["go"]}, ["Missing: intent"], []),
    ({"intent": "learn"}, {"intent": "learn", "language": []}, ["Missing: language"], []),
]


@pytest.mark.parametrize(("values", "labels", "issues", "unmapped"), EXACT)
def test_exact_mode_checks_the_pool_and_nothing_else(
    values: dict[str, object], labels: dict[str, Any], issues: list[str], unmapped: list[tuple[str, str]]
) -> None:
    found = resolve(Answer(values, {"intent": 0.4}), (INTENT, LANGUAGE), SMALL, "exact")
    assert found.labels == labels
    assert list(found.issues) == issues
    assert [(entry.dimension, entry.value) for entry in found.unmapped] == unmapped
    assert found.confidence == {"intent": 0.4, "language": None}


def test_exact_mode_puts_the_models_own_offers_first() -> None:
    answer = Answer({"intent": "x"}, {}, (Suggestion("", "a"), Suggestion("task", "b")))
    found = resolve(answer, (INTENT,), SMALL, "exact")
    assert [(entry.dimension, entry.value, entry.kind) for entry in found.unmapped] == [
        ("", "a", "suggestion"), ("task", "b", "suggestion"), ("intent", "x", "violation"),
    ]  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["intent", "language", "domain"]), st.text(max_size=8) | st.lists(st.text(max_size=8))
    )
)
def test_labels_come_from_the_pools_whatever_was_said(values: dict[str, object]) -> None:
    for mode in ("aliases", "exact"):
        found = resolve(Answer(values), (*CHARACTER, CONTEXT), SMALL, mode)  # type: ignore[arg-type]
        for dim in (*CHARACTER, CONTEXT):
            label = found.labels[dim.name]
            tags = label if isinstance(label, list) else [label] if label else []
            assert set(tags) <= dim.pool
            assert isinstance(label, str) == (dim.select == "single")


def test_a_tag_said_as_an_object_is_its_tag() -> None:
    """Its spelling as Python was cut at the commas: two made-up tags outside the pool."""
    said = {"intent": {"tag": "learn"}, "language": [{"id": "python", "confidence": 0.9}, {"name": "golang"}, {"x": 1}]}
    found = resolve(Answer(said), [INTENT, LANGUAGE], SMALL)
    assert found.labels == {"intent": "learn", "language": ["python", "go"]}
    assert [entry.value for entry in found.unmapped] == ["{'x': 1}"]
