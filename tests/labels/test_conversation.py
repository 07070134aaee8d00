"""Records of every format → conversations; any JSON value → a conversation or a RowError that says what was found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.conversation import Conversation, RowError, ToolCall, Turn, parse_record
from rayjob.labels.excerpt import make_excerpt
from rayjob.labels.slices import slice_conversation

CALL = '{"name": "search", "arguments": {"q": "cats"}}'
CALLED = (ToolCall("search", '{"q": "cats"}'),)


def turns(record: Any, format: str = "auto") -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in parse_record(record, format).turns]


def sharegpt(*pairs: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in pairs], **fields}


def openai(*messages: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages), **fields}


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ONE = [("user", "hi"), ("assistant", "ho")]
FORMATS: dict[str, tuple[Any, str, list[tuple[str, str]]]] = {
    "sharegpt": (sharegpt(("human", "hi"), ("gpt", "ho")), "sharegpt", ONE),
    "sharegpt with a system field": (
        sharegpt(("human", "hi"), ("gpt", "ho"), system="be brief"),
        "sharegpt",
        [("system", "be brief"), *ONE],
    ),
    "conversations in openai's words": (
        {"conversations": [said("user", "hi"), said("assistant", "ho")]},
        "openai",
        ONE,
    ),
    "openai": (openai(said("user", "hi"), said("assistant", "ho")), "openai", ONE),
    "openai, parts with text": (
        openai(said("user", [{"type": "text", "text": "hi"}]), said("assistant", "ho")),
        "openai",
        ONE,
    ),
    "openai, parts with value": (
        openai(said("user", [{"type": "text", "value": "hi"}]), said("assistant", "ho")),
        "openai",
        ONE,
    ),
    "openai, parts that are texts": (openai(said("user", ["hi"]), said("assistant", "ho")), "openai", ONE),
    "openai, an image": (
        openai(
            said("user", [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "hi"}]),
            said("assistant", "ho"),
        ),
        "openai",
        [("user", "[image]\nhi"), ("assistant", "ho")],
    ),
    "developer is system": (
        openai(said("developer", "s"), said("user", "hi"), said("assistant", "ho")),
        "openai",
        [("system", "s"), *ONE],
    ),
    "alpaca": ({"instruction": "hi", "input": "", "output": "ho"}, "alpaca", ONE),
    "alpaca with input": (
        {"instruction": "sum", "input": "1 2", "output": "3"},
        "alpaca",
        [("user", "sum\n\n1 2"), ("assistant", "3")],
    ),
    "alpaca with history": (
        {"instruction": "b", "output": "B", "history": [["a", "A"]], "system": "s"},
        "alpaca",
        [("system", "s"), ("user", "a"), ("assistant", "A"), ("user", "b"), ("assistant", "B")],
    ),
    "alpaca, ranked outputs": ({"instruction": "hi", "output": ["ho", "hum"]}, "alpaca", ONE),
    "prompt and completion": ({"prompt": "hi", "completion": "ho"}, "alpaca", ONE),
    "pangu": ({"data": [said("user", "hi /no_think"), said("assistant", "[unused16][unused17]ho")]}, "pangu", ONE),
    "pangu with a meta prompt": (
        {"meta_prompt": ["s"], "data": [said("user", "hi"), said("assistant", "ho")]},
        "pangu",
        [("system", "s"), *ONE],
    ),
    "pangu, turns in one content": (
        {
            "data": [
                said("user", "hi[unused10][unused9]助手：[unused16]hm[unused17]ho[unused10][unused9]用户：again"),
                said("assistant", "yes"),
            ]
        },
        "pangu",
        [*ONE, ("user", "again"), ("assistant", "yes")],
    ),
    "json text, as Parquet may hold it": (
        {"messages": '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]'},
        "openai",
        ONE,
    ),
    "nulls, as Parquet fills them": (
        openai(said("user", "hi", tool_calls=None, name=None), None, said("assistant", "ho", tool_calls=None)),
        "openai",
        ONE,
    ),
    "a bare list": ([said("user", "hi"), said("assistant", "ho")], "openai", ONE),
}


@pytest.mark.parametrize(("record", "format", "expected"), FORMATS.values(), ids=FORMATS)
def test_formats(record: Any, format: str, expected: list[tuple[str, str]]) -> None:
    assert turns(record) == expected
    assert parse_record(record).format == format
    assert turns(record, format) == expected


CALLS: dict[str, Any] = {
    "sharegpt function_call": sharegpt(
        ("human", "find"), ("function_call", CALL), ("observation", "meow"), ("gpt", "ok")
    ),
    "openai tool_calls": openai(
        said("user", "find"),
        said(
            "assistant",
            None,
            tool_calls=[{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "cats"}'}}],
        ),
        said("tool", "meow", tool_call_id="c1"),
        said("assistant", "ok"),
    ),
    "tool_call part": openai(
        said("user", "find"),
        said("assistant", [{"type": "tool_call", "value": CALL}]),
        said("tool", "meow"),
        said("assistant", "ok"),
    ),
    "tool_use and tool_result parts": openai(
        said("user", "find"),
        said("assistant", [{"type": "tool_use", "id": "c1", "name": "search", "input": {"q": "cats"}}]),
        said("user", [{"type": "tool_result", "name": "search", "content": [{"type": "text", "text": "meow"}]}]),
        said("assistant", "ok"),
    ),
    "tool_use and tool_result parts by id": openai(
        said("user", "find"),
        said("assistant", [{"type": "tool_use", "id": "c1", "name": "search", "input": {"q": "cats"}}]),
        said("user", [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "meow"}]}]),
        said("assistant", "ok"),
    ),
    "tagged call and response": openai(
        said("user", "find"),
        said("assistant", f"<tool_call>\n{CALL}\n</tool_call>"),
        said("user", "<tool_response>meow</tool_response>"),
        said("assistant", "ok"),
    ),
    "pangu call": {
        "data": [
            said("user", "find"),
            said("assistant", f"[unused11]{CALL}[unused12]"),
            said("tool", "meow"),
            said("assistant", "ok"),
        ]
    },
}


@pytest.mark.parametrize("record", CALLS.values(), ids=CALLS)
def test_tool_calls_and_results(record: Any) -> None:
    found = parse_record(record).turns
    assert [turn.role for turn in found] == ["user", "assistant", "tool", "assistant"]
    assert found[1].tool_calls == CALLED
    assert found[1].text == ""
    assert found[2].text == "meow"
    assert found[2].name in ("search", "")
    assert [turn.origin for turn in found] == [0, 1, 2, 3]


REASONING: dict[str, dict[str, Any]] = {
    "think tag": said("assistant", "<think>\nhm\n</think>\n\nho"),
    "thinking tag": said("assistant", "<thinking>hm</thinking>ho"),
    "only the closing tag": said("assistant", "hm</think>ho"),
    "reasoning_content": said("assistant", "ho", reasoning_content="hm"),
    "reasoning": said("assistant", "ho", reasoning="hm"),
    "reasoning part": said("assistant", [{"type": "reasoning", "value": "hm"}, {"type": "text", "value": "ho"}]),
    "thinking part": said("assistant", [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ho"}]),
    "pangu markers": said("assistant", "[unused16]hm[unused17]ho"),
}


@pytest.mark.parametrize("reply", REASONING.values(), ids=REASONING)
def test_reasoning_is_taken_out(reply: dict[str, Any]) -> None:
    turn = parse_record(openai(said("user", "hi"), reply)).turns[1]
    assert (turn.text, turn.reasoning) == ("ho", "hm")


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<think>` opens it.",
        "Use <think>x</think> inline.",
        'print("</think>")',
        "a `</think>` closes",
        "x < y and think",
    ],
)
def test_text_about_reasoning_stays(text: str) -> None:
    assert parse_record(openai(said("user", "hi"), said("assistant", text))).turns[1].text == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("<|im_start|>user\nhi<|im_end|>", "hi"),
        ("<s>[INST] hi [/INST]", "hi"),
        ("[unused9]hi[unused10]", "hi"),
        ("<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", "hi"),
        ("<｜User｜>hi<｜end▁of▁sentence｜>", "hi"),
        ("hi /no_think", "hi"),
        ("/think hi", "hi"),
        ("<|im_<|im_end|>start|>hi", "hi"),
        ("<start_of_turn>hi<end_of_turn>", "hi"),
        ("hi\x00\x07", "hi"),
        ("a\ud800b", "a\ufffdb"),
        ("f <| x |> g", "f <| x |> g"),
        ("see /thinking and <s>old</s> text", "see /thinking and <s>old</s> text"),
        ("a[0] and [INSTALL]", "a[0] and [INSTALL]"),
    ],
)
def test_markup_is_stripped_and_nothing_else(text: str, clean: str) -> None:
    assert turns(openai(said("user", text), said("assistant", "ho")))[0] == ("user", clean)


def test_everything_else_is_metadata_and_comes_back() -> None:
    record = sharegpt(("human", "hi"), ("gpt", "ho"), id="x-1", tools=[], metadata={"category": "learn"}, score=None)
    found = parse_record(record)
    assert found.id == "x-1"
    assert found.metadata == {"tools": [], "score": None, "category": "learn"}
    assert found.raw_turns == record["conversations"]


def test_metadata_that_would_hide_a_field_stays_nested() -> None:
    found = parse_record(sharegpt(("human", "hi"), ("gpt", "ho"), score=1, metadata={"score": 2}))
    assert found.metadata == {"score": 1, "metadata": {"score": 2}}


@pytest.mark.parametrize(
    ("field", "value", "id"), [("id", 7, "7"), ("uuid", "u", "u"), ("id", "", ""), ("id", None, "")]
)
def test_ids(field: str, value: Any, id: str) -> None:
    assert parse_record(sharegpt(("human", "hi"), ("gpt", "ho"), **{field: value})).id == id


WRONG: dict[str, tuple[Any, str, str]] = {
    "null": (None, "unreadable", "the record is None; accepted: an object with conversations"),
    "a text": ("hi", "unreadable", "the record is the text 'hi'"),
    "a number": (4, "unreadable", "the record is 4"),
    "nothing known": ({"text": "hi"}, "unreadable", "the record is an object with text; accepted: conversations"),
    "no turns": ({"messages": []}, "empty", "no turns: 'messages' is a list of 0"),
    "null turns": ({"conversations": None}, "empty", "no turns: 'conversations' is None"),
    "turns of the wrong type": (
        {"messages": {"a": 1}},
        "unreadable",
        "'messages' is an object with a; accepted: a list",
    ),
    "a turn that is a text": ({"messages": ["hi"]}, "unreadable", "turn 0 is the text 'hi'; accepted: an object with"),
    "no role": ({"messages": [{"content": "hi"}]}, "unreadable", "turn 0 has no role (it is an object with content)"),
    "an unknown role": (openai(said("wizard", "hi")), "unreadable", "turn 0: no role called 'wizard' (have: system"),
    "content that is a number": (openai(said("user", 4)), "unreadable", "turn 0: content is 4; accepted: a text or"),
    "a part that is a number": (openai(said("user", [4])), "unreadable", "turn 0, part 0 is 4; accepted: a text, or"),
    "only a system turn": (openai(said("system", "hi")), "empty", "only a system turn: nothing to label"),
    "empty texts": (
        openai(said("user", ""), said("assistant", " ")),
        "empty",
        "no turn has any text (2 turns came in)",
    ),
    "only markup": (openai(said("user", "<|im_end|>")), "empty", "no turn has any text"),
    "only reasoning": (openai(said("assistant", "<think>hm</think>")), "empty", "no text outside the reasoning"),
    "an instruction that is a number": ({"instruction": 4, "output": "x"}, "unreadable", "field 'instruction' is 4"),
    "a history of texts": (
        {"instruction": "a", "output": "b", "history": ["x"]},
        "unreadable",
        "history[0] is the text 'x'",
    ),
}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"temp": 21}, '{"temp": 21}'),
        ([{"temp": 21}, {"temp": 22}], '{"temp": 21}\n{"temp": 22}'),
        ({"text": ""}, ""),
        ([{"type": "text"}, {"text": None}, {}], ""),
        ([{"type": "tool_result", "content": [{"type": "image", "source": {"data": "A" * 999}}]}], "[image]"),
    ],
)
def test_what_a_tool_returned_is_kept_but_for_pictures(content: object, text: str) -> None:
    turns = parse_record(openai(said("user", "how warm?"), said("tool", content), said("assistant", "warm"))).turns
    assert [turn.text for turn in turns[1:-1]] == ([text] if text else [])


@pytest.mark.parametrize(("record", "kind", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_labelled_says_why(record: Any, kind: str, says: str) -> None:
    with pytest.raises(RowError) as caught:
        parse_record(record)
    assert caught.value.kind == kind
    assert caught.value.message.startswith(says)


def test_a_format_that_is_named_refuses_the_others() -> None:
    with pytest.raises(RowError, match="the record is openai, not alpaca as input"):
        parse_record(openai(said("user", "hi")), "alpaca")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    [
        "messages",
        "conversations",
        "data",
        "role",
        "from",
        "content",
        "value",
        "user",
        "assistant",
        "tool",
        "gpt",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "instruction",
        "output",
        "history",
        "system",
        "<think>",
        "[unused11]{",
        "[unused9]助手：",
        "<tool_call>",
        "metadata",
        "id",
        "reasoning",
        "function_call",
        "tool_result",
    ]
)
SHAPED = st.recursive(
    WORDS | st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
MESSAGES = st.fixed_dictionaries(
    {"messages": st.lists(st.fixed_dictionaries({"role": WORDS, "content": SHAPED}, optional={"tool_calls": SHAPED}))}
)


@given(JSON | SHAPED | MESSAGES)
def test_any_json_value_is_a_conversation_or_a_row_error(value: Any) -> None:
    found: Conversation | None
    try:
        found = parse_record(value)
    except RowError as error:
        caught = error
        found = None
    if found is None:
        assert caught.kind in ("unreadable", "empty")
        assert len(caught.message) < 700
        return
    assert isinstance(found, Conversation)
    assert all(isinstance(turn, Turn) and not turn.is_empty for turn in found.turns)
    assert any(turn.role != "system" for turn in found.turns)
    assert all(-1 <= turn.origin < len(found.raw_turns) for turn in found.turns)
    for sample in slice_conversation(found):
        make_excerpt(sample.conversation.turns, 100, sample.labelled).text.encode()
