import csv
import io

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
        "review.csv: row 2, column intent: 'chit' is not a tag of intent: ask-help, chat, fix-bug",
        "review.csv: row 3, column topics: 'wbe' is not a tag of topics, several separated by ';', or 'none': "
        "data-base, math, web",
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


def test_truth_comes_from_the_metadata():
    rows = [
        {"uid": "a", "metadata": '{"kind": "chat", "about": ["db", "web"]}'},
        {"uid": "b", "metadata": {"kind": "nonsense", "about": []}},
        {"uid": "c", "metadata": "{}"},
    ]
    answered = read_truth(rows, {"intent": "kind", "topics": "about"}, DIMS)
    assert answered.labels == {"a": {"intent": "chat", "topics": ["data-base", "web"]}}
    assert [(problem.file, problem.column, problem.value) for problem in answered.problems] == [
        ("b", "kind", "nonsense")
    ]
    assert answered.open == ("b", "c")
