"""Reading replies: every shape that models write, and nothing that is not an answer."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.answer import Suggestion, answer_schema, parse_answer
from rayjob.labels.asking import AnswerError
from rayjob.labels.loose_json import LooseJsonError, read_loosely
from tests.labels.small import INTENT, LANGUAGE

DIMS = [INTENT, LANGUAGE]
WANTED = {"intent": "build", "language": ["python", "go"]}

READABLE = {
    "plain": '{"intent": "build", "language": ["python", "go"]}',
    "fenced": 'Here you are:\n```json\n{"intent": "build", "language": ["python", "go"]}\n```\nAnything else?',
    "prose with braces": 'I use {tags}. So: {"intent": "build", "language": ["python", "go"]} {done}',
    "single quotes, last brace lost": "Sure! {'intent': 'build', 'language': ['python', 'go']",
    "trailing commas": '{"intent": "build", "language": ["python", "go",],}',
    "bare words": "{intent: build, language: [python, go]}",
    "comments": '{"intent": "build", // clearly\n "language": ["python", "go"] /* both */ }',
    "typographic quotes": "{“intent”: “build”, “language”: [“python”, “go”]}",
    "thought first": '<think>{"intent": "learn"}? no</think>{"intent": "build", "language": ["python", "go"]}',
    "wrapped": '{"labels": {"intent": "build", "language": ["python", "go"]}}',
    "python words": "{'intent': 'build', 'language': ['python', 'go'], 'confidence': None, 'sure': True}",
    "capital keys": '{"Intent": "build", " language": ["python", "go"]}',
    "said twice": '{"intent": "build", "language": ["python", "go"]}\n{"intent": "learn", "language": []}',
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_an_answer_is_read_through_what_surrounds_it(text: str) -> None:
    assert parse_answer(text, DIMS).values == WANTED


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": {"intent": "build"}, "confidence": {"intent": 0.4}, "unmapped": ["x"]}',
        '{"Intent": "build", "Confidence": {"Intent": 0.4}, "Unmapped": "x"}',
    ],
    ids=["wrapped", "capital keys"],
)
def test_confidence_is_read_wherever_the_answer_is(text: str) -> None:
    """It was lost, and a row without confidence is never doubted."""
    found = parse_answer(text, DIMS)
    assert (found.values, found.confidence["intent"]) == ({"intent": "build"}, 0.4)
    assert found.suggestions == (Suggestion("", "x"),)


UNREADABLE = {
    "": "the reply is empty",
    "I would say build.": "no JSON object",
    "<think>hm {": "ends inside its reasoning",
    '{"mood": "good"}': "none of the keys asked for (intent, language)",
    '{"intent": "build", "language": ["python", "go"': "not valid JSON: expected ',' or ']' at character 47",
    '{"intent" "build"}': "expected ':'",
    '{"intent": 0.9}': "none of the keys",
    '{"intent": ' + "[" * 5000: "less nesting",
}


@pytest.mark.parametrize(("text", "said"), UNREADABLE.items())
def test_what_is_no_answer_is_refused_in_words_for_the_repair(text: str, said: str) -> None:
    with pytest.raises(AnswerError) as refused:
        parse_answer(text, DIMS)
    assert said in str(refused.value)


def test_an_inner_object_of_confidences_is_not_mistaken_for_the_answer() -> None:
    with pytest.raises(AnswerError):
        parse_answer('{"intent": build" oops, "confidence": {"intent": 0.9, "language": 0.8}}', DIMS)


@pytest.mark.parametrize(
    ("given_score", "kept"),
    [
        (0.5, 0.5),
        (1, 1.0),
        (0, 0.0),
        (True, None),
        ("0.9", None),
        ("85%", None),
        (1.2, None),
        (-0.1, None),
        ([1], None),
    ],
)
def test_confidence_is_a_number_from_0_to_1_or_an_issue(given_score: object, kept: float | None) -> None:
    answer = parse_answer(json.dumps({"intent": "build", "confidence": {"intent": given_score}}), DIMS)
    assert answer.confidence == {"intent": kept, "language": None}
    assert len(answer.issues) == (kept is None)


def test_nan_is_no_confidence() -> None:
    answer = parse_answer('{"intent": "build", "confidence": {"intent": NaN}}', DIMS)
    assert answer.confidence["intent"] is None
    assert answer.issues == ("confidence.intent: nan is not a number from 0 to 1",)


def test_missing_confidence_is_no_issue_and_a_wrong_one_is() -> None:
    assert parse_answer('{"intent": "build"}', DIMS).issues == ()
    assert parse_answer('{"intent": "build", "confidence": 0.9}', DIMS).issues == (
        "confidence: 0.9 is not an object of numbers",
    )


def test_suggestions_are_bare_values_or_name_their_dimension() -> None:
    answer = parse_answer(
        '{"intent": "build", "unmapped": ["cuda", {"dimension": "task", "value": "x"}, null, 7]}', DIMS
    )
    assert answer.suggestions == (Suggestion("", "cuda"), Suggestion("task", "x"), Suggestion("", "7"))


def test_schema_is_strict_and_holds_the_pools() -> None:
    schema = answer_schema(DIMS)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert schema["required"] == ["intent", "language", "confidence", "unmapped"] == list(properties)
    assert schema["additionalProperties"] is False
    assert properties["intent"]["enum"] == ["learn", "build", "debug"]
    assert properties["language"]["items"]["enum"] == ["python", "go", "cpp"]
    assert properties["confidence"]["required"] == ["intent", "language"]


@given(st.text(max_size=200))
def test_any_text_is_an_answer_or_an_answer_error(text: str) -> None:
    for said in (text, "{" + text, '{"intent": ' + text):
        with contextlib.suppress(AnswerError):
            parse_answer(said, DIMS)


def test_lone_surrogates_do_not_reach_the_files() -> None:
    answer = parse_answer('{"intent": "build", "unmapped": ["a\\ud800b", "\\ud83d\\ude00"]}', DIMS)
    assert [offer.value for offer in answer.suggestions] == ["a\ufffdb", "😀"]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_strict_json_reads_the_same_loosely_unless_a_string_looks_like_its_end(value: dict[str, object]) -> None:
    text = json.dumps(value)
    assert read_loosely(text, 0) == value


def test_a_loose_reader_says_where_it_stopped() -> None:
    with pytest.raises(LooseJsonError, match="expected a value at character 6"):
        read_loosely('{"a": }', 0)
