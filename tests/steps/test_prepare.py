"""Prepare: every record ends in rows with the same columns, each with a uid of its own, failures among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayjob.labels.records import Record
from rayjob.spec.prepare import PrepareStep, SparseSpec, TruncateSpec
from rayjob.steps.prepare import PREPARED_COLUMNS, Prepare, dump_json
from rayjob.store.formats import read_records
from tests.shared_data import shared


def chat(*texts: str, **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)], **fields}


def prepare(*values: object, step: PrepareStep | None = None, **options: Any) -> list[dict[str, Any]]:
    records = [Record(index, value) for index, value in enumerate(values)]
    return check(list(Prepare(step or PrepareStep(), **options)(records, "a.jsonl")))


def check(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What holds for every row, good or bad."""
    for row in rows:
        assert tuple(row) == PREPARED_COLUMNS
        for name in ("conversation", "metadata", "signals"):
            json.loads(row[name])
        "".join(value for value in row.values() if isinstance(value, str)).encode()
        failure = row["failure"]
        assert failure is None or (failure["message"] and len(failure["message"]) <= 500)
        assert failure is not None or row["transcript"]
    assert len({row["uid"] for row in rows}) == len(rows)
    return rows


def test_a_row() -> None:
    record = chat("hi", "<think>hm</think>ho", id="x", topic="t")
    (row,) = prepare(record)
    assert row == {
        "uid": "a.jsonl#0#1", "id": "x", "source": "a.jsonl", "row": 0, "turn": 1, "format": "openai",
        "conversation": dump_json(record["messages"]), "metadata": '{"topic":"t"}',
        "transcript": "[user]\nhi\n\n[assistant]\nho", "query": "hi", "answer": "ho", "reasoning": "hm",
        "signals": '{"turns":{"assistant":1,"user":1},"chars":4}', "dropped_chars": 0, "heirs": [], "failure": None,
    }  # fmt: skip


def test_a_record_that_cannot_be_read_is_a_row_with_its_place() -> None:
    records = [Record(7, error="not JSON", line=7), Record(8, {"text": 1})]
    rows: list[dict[str, Any]] = list(Prepare(PrepareStep())(records, "b.json"))
    assert rows[0]["failure"] == {
        "kind": "unreadable", "message": "b.json, line 7: not JSON", "step": "prepare", "attempts": 0,
    }  # fmt: skip
    assert rows[1]["failure"]["message"].startswith("b.json, record 8: the record is an object with text; accepted: ")
    assert [row["uid"] for row in check(rows)] == ["b.json#7#0", "b.json#8#0"]
    assert rows[1]["conversation"] == '[{"text":1}]'


def test_every_reply_and_its_heirs() -> None:
    step = PrepareStep(slice="every_reply", sparse=SparseSpec(full=1, every=2), inherit=True)
    rows = prepare(chat("a", "A", "b", "B", "c", "C", "d", "D"), step=step)
    assert [(row["turn"], [heir["uid"] for heir in row["heirs"]]) for row in rows] == [
        (1, ["a.jsonl#0#3"]), (5, []), (7, []),
    ]  # fmt: skip
    assert [row["answer"] for row in rows] == ["A", "C", "D"]
    assert [len(json.loads(row["conversation"])) for row in rows] == [2, 6, 8]
    assert rows[0]["heirs"] == [{"uid": "a.jsonl#0#3", "id": "a.jsonl#0#3", "turn": 3}]


def test_reasoning_is_that_of_the_reply_to_the_last_question() -> None:
    (row,) = prepare(chat("a", "<think>old</think>A", "b", "<think>new</think>B"))
    assert row["reasoning"] == "new"
    assert "old" not in row["transcript"]
    assert "old" in row["conversation"]


def test_transcripts_keep_to_their_budget() -> None:
    (row,) = prepare(chat("q" * 90_000, "a"), step=PrepareStep(truncate=TruncateSpec(max_chars=2_000)))
    assert len(row["transcript"]) <= 2_000
    assert row["dropped_chars"] > 88_000
    assert len(row["query"]) == 90_000


def test_a_sample_is_the_same_every_time_and_another_seed_another() -> None:
    values = [chat("a", "b")] * 2_000
    taken = {seed: {row["row"] for row in prepare(*values, sample=0.25, seed=seed)} for seed in (1, 2)}
    assert 400 < len(taken[1]) < 600
    assert taken[1] == {row["row"] for row in prepare(*values, sample=0.25, seed=1)}
    assert taken[1] != taken[2]


LONG_WORD = "x" * 1_000_000
BAD: dict[str, tuple[bytes, int, int]] = {
    "empty file": (b"", 0, 0),
    "blank lines": (b"\n \n\n", 0, 0),
    "binary junk": (bytes(range(128, 256)) * 20 + b"\n\x00\x01\n", 0, 2),
    "broken in the middle": (b'{"instruction": "a"}\n{"instruction"\n{"instruction": "a", "output": "b"}\n', 2, 1),
    "no turns": (b'{"messages": []}\n{"conversations": null}\n', 0, 2),
    "only a system turn": (b'{"messages": [{"role": "system", "content": "s"}]}\n', 0, 1),
    "nulls": (b'null\n{"messages": null}\n{"instruction": null, "output": null}\n', 0, 3),
    "lone surrogates": (b'{"instruction": "a\\ud800", "output": "\\udfff", "tag": "\\ud83d"}\n', 1, 0),
    "NULs": (b'{"instruction": "a\\u0000b", "output": "c\x00d"}\n', 1, 0),
    "a word of a million characters": (f'{{"instruction": "{LONG_WORD}", "output": "b"}}\n'.encode(), 1, 0),
    "five megabytes": (dump_json(chat(*["word " * 50_000] * 20)).encode(), 1, 0),
    "formats mixed": (
        b'{"instruction": "a", "output": "b"}\n{"conversations": [{"from": "human", "value": "a"}]}\n'
        b'{"messages": [{"role": "user", "content": "a"}]}\n{"data": [{"role": "user", "content": "a"}]}\n[1]\n', 4, 1),
    "duplicate ids": (b'{"id": "x", "instruction": "a", "output": "b"}\n' * 3, 3, 0),
    "an id and numbers beyond 64 bits": (b'{"id": 1, "n": 123456789012345678901234567890, "instruction": "a"}\n', 1, 0),
    "nested deep": (b'{"instruction": "a", "x": ' + b"[" * 900 + b"]" * 900 + b"}\n" + b"[" * 100_000 + b"\n", 1, 1),
    "utf-16": ('{"instruction": "a"}'.encode("utf-16"), 0, 1),
}  # fmt: skip


@pytest.mark.parametrize(("data", "good", "bad"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("mode", ["none", "last_turn"])
def test_bad_input_ends_in_rows(tmp_path: Path, data: bytes, good: int, bad: int, mode: Any) -> None:
    (tmp_path / "in.jsonl").write_bytes(data)
    rows = check(list(Prepare(PrepareStep(slice=mode))(read_records(str(tmp_path / "in.jsonl")), "in.jsonl")))
    assert [sum(row["failure"] is None for row in rows), sum(row["failure"] is not None for row in rows)] == [good, bad]
    assert all(len(row["transcript"]) <= 20_000 for row in rows)


#: Each would take hours where some pattern took the square of its length.
LONG = 500_000
NASTY = {
    "one word": "x" * LONG,
    "backticks": "`" * LONG,
    "fences in one line": "``` " * (LONG // 4),
    "fences": "```\n" * (LONG // 4),
    "a prompt that never comes": "a@" + "b" * LONG,
    "heredocs": "$ cat <<" + "a" * LONG,
    "heredoc signs": "$ x " + "<<a" * (LONG // 3),
    "nested tokens": "<|" * (LONG // 8) + "a" + "|>" * (LONG // 8),
    "thinking": "<think>\n" * (LONG // 8),
    "calls": "<tool_call>" * (LONG // 10),
    "markers": "[unused9][unused16][unused11]" * (LONG // 30),
    "blank lines": "\n" * LONG + "x",
    "blanks": "$ " + " " * LONG + "x",
    "brackets": "[" * LONG,
    "a path": "$ cat " + "a/" * (LONG // 2),
    "redirections": "$ " + "> " * (LONG // 2),
    "role marks": "[assistant]\n" * (LONG // 12),
    "names": "Go C R in C " * (LONG // 12),
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_takes_the_square_of_its_length(text: str) -> None:
    turns = [{"role": role, "content": text + " end"} for role in ("user", "assistant", "tool", "assistant")]
    (row,) = prepare({"messages": turns})
    assert row["failure"] is None


LINES = st.lists(
    st.sampled_from([dump_json(chat("a", "b")), "{", "null", '{"messages": []}', '{"instruction": "x"}', "é", "[]"])
)


@given(LINES, st.sampled_from(["none", "last_turn", "every_reply"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_add_up(tmp_path: Path, lines: list[str], mode: Any) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = check(list(Prepare(PrepareStep(slice=mode))(read_records(str(tmp_path / "in.jsonl")), "in.jsonl")))
    assert [row["row"] for row in rows] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize(("mode", "samples"), [("none", 108), ("last_turn", 108), ("every_reply", 215)])
def test_the_recorded_samples_are_all_prepared(mode: Any, samples: int) -> None:
    path = str(shared("gold108/raw_samples.json"))
    rows = check(list(Prepare(PrepareStep(slice=mode))(read_records(path), "raw_samples.json")))
    assert len(rows) == samples
    assert all(row["failure"] is None and row["query"] and row["answer"] for row in rows)
    assert {row["id"] for row in rows if "category" in json.loads(row["metadata"])} == {row["id"] for row in rows}


def test_a_format_that_is_named_is_held_to() -> None:
    (row,) = prepare(chat("a", "b"), format="alpaca")
    assert row["failure"]["kind"] == "unreadable"
    assert prepare(chat("a", "b"), format="parquet")[0]["failure"] is None


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(), st.lists))
def test_any_value_becomes_json_that_can_be_stored(value: object) -> None:
    text = dump_json({"x": value})
    text.encode()
    json.loads(text)
