"""Samples of a conversation: which turns each has, what it labels, who inherits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.conversation import Conversation, RowError, parse_record
from rayjob.labels.slices import Sample, SliceMode, Sparse, slice_conversation

TWO = [("system", "s"), ("human", "q1"), ("gpt", "a1"), ("human", "q2"), ("function_call", "{}"), ("observation", "o"),
       ("gpt", "a2")]  # fmt: skip


def conversation(turns: list[tuple[str, str]]) -> Conversation:
    return parse_record({"conversations": [{"from": role, "value": text} for role, text in turns]})


def texts(sample: Sample) -> list[str]:
    return [turn.text or "call" for turn in sample.conversation.turns]


def query(sample: Sample) -> str:
    return "" if sample.query is None else sample.conversation.turns[sample.query].text


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("none", [(6, "q2", ["s", "q1", "a1", "q2", "call", "o", "a2"])]),
        ("last_turn", [(6, "q2", ["s", "q2", "call", "o", "a2"])]),
        (
            "every_reply",
            [
                (2, "q1", ["s", "q1", "a1"]),
                (4, "q2", ["s", "q1", "a1", "q2", "call"]),
                (6, "q2", ["s", "q1", "a1", "q2", "call", "o", "a2"]),
            ],
        ),
    ],
)
def test_modes(mode: SliceMode, expected: list[tuple[int, str, list[str]]]) -> None:
    samples = list(slice_conversation(conversation(TWO), mode))
    assert [(sample.turn, query(sample), texts(sample)) for sample in samples] == expected
    for sample in samples:
        assert len(sample.conversation.raw_turns) == len(sample.conversation.turns)
        assert sample.conversation.turns[sample.labelled].role == "assistant"


def test_a_question_without_a_reply_after_the_last_reply_is_not_the_query() -> None:
    asked = conversation([("human", "q1"), ("gpt", "a1"), ("human", "q2")])
    (whole,) = slice_conversation(asked, "none")
    assert (whole.turn, query(whole), texts(whole)) == (1, "q1", ["q1", "a1", "q2"])
    (last,) = slice_conversation(asked, "last_turn")
    assert texts(last) == ["q1", "a1"]


def test_a_conversation_without_replies_is_labelled_by_its_question_unless_sliced_by_reply() -> None:
    asked = conversation([("human", "q1")])
    (sample,) = slice_conversation(asked, "none")
    assert (sample.turn, query(sample)) == (0, "q1")
    with pytest.raises(RowError, match="no reply of the assistant to slice at"):
        slice_conversation(asked, "every_reply")


def replies(count: int) -> Conversation:
    return conversation([turn for number in range(count) for turn in (("human", f"q{number}"), ("gpt", f"a{number}"))])


def test_the_sparse_schedule_labels_the_first_then_every_kth_and_the_last() -> None:
    samples = list(slice_conversation(replies(14), "every_reply", Sparse(full=3, every=4), inherit=True))
    assert [sample.turn // 2 for sample in samples] == [0, 1, 2, 6, 10, 13]
    assert [[heir // 2 for heir in sample.heirs] for sample in samples] == [[], [], [3, 4, 5], [7, 8, 9], [11, 12], []]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(2, 9), st.booleans())
def test_every_reply_is_labelled_or_inherits_exactly_once(count: int, full: int, every: int, inherit: bool) -> None:
    samples = list(slice_conversation(replies(count), "every_reply", Sparse(full, every), inherit=inherit))
    labelled = [sample.turn for sample in samples]
    heirs = [heir for sample in samples for heir in sample.heirs]
    assert labelled[-1] == 2 * count - 1
    assert len(labelled) >= min(full, count)
    if inherit:
        assert sorted(labelled + heirs) == list(range(1, 2 * count, 2))
        assert all(heir > sample.turn for sample in samples for heir in sample.heirs)
    else:
        assert heirs == []
