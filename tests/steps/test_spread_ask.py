import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.taxonomy import Dimension, Tag
from rayjob.steps.ask import read_sheet, read_truth, write_sheet


def tag(name, *aliases):
    return Tag(name, name.replace("-", " ").title(), "", aliases)


INTENT = Dimension("intent", "", "single", (tag("ask-help", "help"), tag("fix-bug", "bugfix"), tag("chat")))
TOPICS = Dimension("topics", "", "multi", (tag("web"), tag("data-base", "db"), tag("math")))
DIMS = (INTENT, TOPICS)
ROWS = [{"uid": "a", "transcript": "=1+1"}, {"uid": "b", "query": 'two "lines"\nhere'}, {"uid": "c", "transcript": "x"}]


def sheet(*lines, header="uid,text,intent,topics"):
    return "\r\n".join([header, *lines]).encode("utf-8-sig")


def read(*lines, **header):
    return read_sheet("review.csv", sheet(*lines, **header), ["a", "b", "c"], DIMS)


def test_the_sheet_goes_out_with_every_row_and_empty_cells():
    lines = list(csv.reader(io.StringIO(write_sheet(ROWS, DIMS).decode("utf-8-sig"), newline="")))
    assert lines == [
        ["uid", "text", "intent", "topics"],
        ["a", "'=1+1", "", ""],
        ["b", 'two "lines"\nhere', "", ""],
        ["c", "x", "", ""],
    ]


def test_labels_that_were_accepted_stand_in_the_sheet_and_only_the_others_are_open():
    rows = [{**ROWS[0], "given": '{"labels": {"topics": ["data-base", "web"]}}'}, {**ROWS[1], "given": "{}"}]
    rows.append({**ROWS[2], "given": '{"labels": {"intent": "chat", "topics": []}}'})
    content = write_sheet(rows, DIMS)
    lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [line[2:] for line in lines[1:]] == [["", "data-base; web"], ["", ""], ["chat", "none"]]
    answered = read_sheet("review.csv", content, ["a", "b", "c"], DIMS)
    assert answered.problems == ()
    assert (answered.labels, answered.open) == ({"c": {"intent": "chat", "topics": []}}, ("a", "b"))


def test_an_untouched_sheet_is_all_open():
    answered = read_sheet("review.csv", write_sheet(ROWS, DIMS), ["a", "b", "c"], DIMS)
    assert answered.open == ("a", "b", "c")
    assert answered.labels == {}
    assert answered.problems == ()


def test_ids_names_aliases_and_case_are_understood():
    answered = read("a,,ASK_help,db; Web", 'b,,Fix Bug,"math,web"', "c,,help,none")
    assert answered.labels == {
        "a": {"intent": "ask-help", "topics": ["data-base", "web"]},
        "b": {"intent": "fix-bug", "topics": ["math", "web"]},
        "c": {"intent": "ask-help", "topics": []},
    }
    assert answered.open == ()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators(delimiter):
    content = sheet("a,,chat,web", header="uid,text,intent,topics").decode("utf-8-sig").replace(",", delimiter)
    assert read_sheet("f", content.encode("utf-16"), ["a"], DIMS).labels["a"]["intent"] == "chat"


def test_a_wrong_cell_is_named_and_its_row_stays_open():
    answered = read("a,,chit,web", "b,,chat,web; wbe", "c,,chat,web")
    assert [str(problem) for problem in answered.problems] == [
        "review.csv: row 2, column intent: 'chit' is not a tag of intent: ask-help, chat, fix-bug; or '?': cannot be "
        "judged",
        "review.csv: row 3, column topics: 'wbe' is not a tag of topics, several separated by ';', or 'none': "
        "data-base, math, web; or '?': cannot be judged",
    ]
    assert answered.open == ("a", "b")
    assert list(answered.labels) == ["c"]


def test_rows_that_were_not_asked_and_lines_that_contradict():
    answered = read("z,,chat,web", "a,,chat,web", "a,,help,web", "", "b,,chat,web")
    assert [(problem.row, problem.column, problem.value) for problem in answered.problems] == [
        (2, "uid", "z"),
        (4, "intent", "help"),
    ]


def test_a_lost_column_is_one_problem():
    answered = read("a,chat", header="uid,intent")
    assert [problem.column for problem in answered.problems] == ["topics"]
    assert answered.open == ("a", "b", "c")


def test_an_empty_file():
    assert read_sheet("f", b"", ["a"], DIMS).open == ("a",)


def test_a_half_filled_row_is_open_but_no_problem():
    answered = read("a,,chat,", "b,,,", "c")
    assert answered.problems == ()
    assert answered.open == ("a", "b", "c")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(content):
    answered = read_sheet("f", content, ["a"], DIMS)
    assert answered.open == ("a",) or "a" in answered.labels


def test_a_cell_that_nobody_can_judge_is_answered_without_a_label():
    answered = read("a,,?,web", "b,, ? ,?", "c,,?,web; ?", "a,,chat,web")
    assert answered.labels == {"a": {"intent": None, "topics": ["web"]}, "b": {"intent": None, "topics": None}}
    assert [(problem.row, problem.value) for problem in answered.problems] == [(4, "?"), (5, "chat")]
    assert answered.problems[1].accepted.endswith("'?'")
    assert answered.open == ("c",)


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        (["a,,chat,web", 'b,"x,chat,web', "c,,chat,web"], 3),
        (["a,,chat,web", 'b,"' + "x" * 140_000, "c,,chat,web"], 3),
        (["a,,chat,web", "b,,chat,web", 'c,,chat,"web'], 4),
    ],
    ids=["to the end", "beyond what a cell may hold", "in the last cell"],
)
def test_a_quotation_that_is_not_closed_is_named_by_its_row(lines, row):
    answered = read(*lines)
    assert [(problem.row, problem.value) for problem in answered.problems] == [(row, '"')]
    assert str(answered.problems[0]).startswith(f"review.csv: row {row}, column uid: '\"' is not closed")
    assert "a" in answered.labels


def test_a_tag_called_none_can_be_said_and_so_can_that_no_tag_fits():
    dims = (Dimension("gear", "", "multi", (tag("none"), tag("pump"))),)
    rows = [{"uid": uid, "given": json.dumps({"labels": {"gear": gear}})} for uid, gear in (("a", ["none"]), ("b", []))]
    content = write_sheet(rows, dims)
    assert read_sheet("f", content, ["a", "b"], dims).labels == {"a": {"gear": ["none"]}, "b": {"gear": []}}
    wrong = read_sheet("f", content.replace(b"none", b"nine"), ["a", "b"], dims).problems[0]
    assert wrong.accepted == "a tag of gear, several separated by ';', or '-': none, pump; or '?': cannot be judged"


@pytest.mark.parametrize(("thought", "conversation"), [(40, 40), (40_000, 40), (40, 40_000), (40_000, 40_000)])
def test_the_chain_of_thought_stands_behind_the_conversation(thought, conversation):
    row = {"uid": "a", "transcript": "c" * conversation, "reasoning": "t" * thought}
    cell = next(csv.DictReader(io.StringIO(write_sheet([row], DIMS).decode("utf-8-sig"), newline="")))["text"]
    said, thoughts = cell.split("\n\n[reasoning]\n")
    assert said.count("c") >= min(conversation, 15_000)
    assert thoughts.count("t") >= min(thought, 15_000)
    assert len(cell) < 32_767
    assert [part.endswith(" […]") for part in (said, thoughts)] == [conversation > 15_000, thought > 15_000]


def test_a_sheet_may_be_written_from_a_stream():
    assert write_sheet(iter(ROWS), DIMS) == write_sheet(ROWS, DIMS)


def test_truth_comes_from_the_metadata():
    rows = [
        {"uid": "a", "metadata": '{"kind": "chat", "about": ["db", "web"]}'},
        {"uid": "b", "metadata": {"kind": "nonsense", "about": []}},
        {"uid": "c", "metadata": "{}"},
    ]
    answered = read_truth(rows, {"intent": "kind", "topics": "about"}, DIMS)
    assert answered.labels["a"] == {"intent": "chat", "topics": ["data-base", "web"]}
    assert [(problem.file, problem.column, problem.value) for problem in answered.problems] == [
        ("b", "kind", "nonsense")
    ]
    assert answered.open == ("c",)


@pytest.mark.parametrize(
    ("metadata", "labels"),
    [
        ({"kind": "chat", "about": []}, {"intent": "chat", "topics": []}),
        ({"kind": "chat", "about": "none"}, {"intent": "chat", "topics": []}),
        ({"kind": "chat"}, {"intent": "chat", "topics": None}),
        ({"kind": None, "about": ["web"]}, {"intent": None, "topics": ["web"]}),
        ({"kind": " ", "about": []}, {"intent": None, "topics": []}),
        ({"kind": [], "about": ""}, None),
        ({"kind": None, "about": None}, None),
    ],
)
def test_what_truth_is_known_counts_and_an_empty_list_is_known(metadata, labels):
    answered = read_truth([{"uid": "a", "metadata": metadata}], {"intent": "kind", "topics": "about"}, DIMS)
    assert answered.problems == ()
    assert answered.labels == ({} if labels is None else {"a": labels})
    assert answered.open == (("a",) if labels is None else ())
