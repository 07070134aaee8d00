"""Records of a question, its reasoning and its answer."""

from __future__ import annotations

import pytest

from rayjob.labels.conversation import RowError, parse_record


def test_question_reasoning_and_answer_become_two_turns_and_the_rest_metadata() -> None:
    record = {"qid": "q1", "question": "2+3?", "cot": "Two and three.", "answer": 5, "correct": True, "model": "m"}
    found = parse_record(record)
    assert found.format == "reasoning"
    assert [(turn.role, turn.text, turn.reasoning) for turn in found.turns] == [
        ("user", "2+3?", ""), ("assistant", "5", "Two and three."),
    ]  # fmt: skip
    assert found.metadata == {"qid": "q1", "correct": True, "model": "m"}


@pytest.mark.parametrize("name", ["cot", "reasoning", "chain_of_thought", "rationale", "thinking"])
def test_names_of_the_reasoning(name: str) -> None:
    assert parse_record({"problem": "2+3?", name: "so", "answer": "5"}).turns[1].reasoning == "so"


def test_without_reasoning_it_is_alpaca() -> None:
    assert parse_record({"question": "2+3?", "answer": "5"}).format == "alpaca"
    assert parse_record({"question": "2+3?", "answer": "5", "cot": None}).format == "alpaca"


def test_alpaca_with_a_reasoning_keeps_its_input_and_history() -> None:
    """They were metadata: what the instruction is about was not labelled."""
    record = {"instruction": "Translate.", "input": "Hello", "output": "Hola", "cot": "so", "history": [["a", "b"]]}
    found = parse_record(record)
    assert [turn.text for turn in found.turns] == ["a", "b", "Translate.\n\nHello", "Hola"]
    assert (found.turns[-1].reasoning, found.metadata) == ("so", {})


def test_candidates_stay_metadata() -> None:
    candidates = [{"reasoning": "a", "answer": "1"}, {"reasoning": "b", "answer": "2"}]
    found = parse_record({"question": "2+3?", "candidates": candidates})
    assert (found.format, [turn.role for turn in found.turns]) == ("reasoning", ["user"])
    assert found.metadata == {"candidates": candidates}


def test_turns_win() -> None:
    record = {"messages": [{"role": "user", "content": "hi"}], "question": "2+3?", "cot": "so"}
    assert parse_record(record).format == "openai"


def test_an_answer_that_is_no_text_is_unreadable() -> None:
    with pytest.raises(RowError, match="field 'answer' is a list of 1"):
        parse_record({"question": "2+3?", "cot": "so", "answer": ["5"]})


def test_another_format_is_refused() -> None:
    with pytest.raises(RowError, match="the record is alpaca, not reasoning"):
        parse_record({"question": "2+3?", "answer": "5"}, "reasoning")
