"""Sheets out and back: whatever a reviewer types is an answer, a comment, or kept aside; nothing is lost."""

from __future__ import annotations

import csv
import datetime
import io
import json
import random

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayjob.review.cells import defuse, normal_text, restore, show_text
from rayjob.review.csv_sheet import read_csv, write_csv
from rayjob.review.label_studio import make_tasks, read_tasks
from rayjob.review.pools import ReadCell, read_cell
from rayjob.review.reading import ReadBack, read_back
from rayjob.review.sheet import PROPOSED, Review, sheet_columns, sheet_rows
from rayjob.review.table import SheetError
from rayjob.review.xlsx_sheet import read_xlsx, write_xlsx
from tests.review.reviews import POOLS, make_review

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
UGLY = [
    "=1+1", "@SUM(A1)", "+1", "-", "'quoted", "''", '"', 'a "b", c', "x\ny", "x\r\ny", "😀🇩🇪", "שלום עולם", "a;b\tc",
    "0012", "1E+05", "2026-01-02", '=HYPERLINK("http://x")', "\ufeff", "#N/A", "TRUE", "ﾃ", "\u202eabc",
]  # fmt: skip
shown_texts = st.text(max_size=40) | st.sampled_from(UGLY)
# XML has no control characters; no spreadsheet lets one be typed.
typed = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30
) | st.sampled_from(UGLY)
intents = st.sampled_from(["", "build", "LEARN", " create ", "(none)", "ok", "build, learn"]) | typed
concepts = st.sampled_from(["", "caching", "caching; testing", "c++", "none", "caching, nonsense"]) | typed


def fill(review: Review, texts: dict[str, str], answers: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Ann's sheet with her answers typed in."""
    rows = sheet_rows(review, texts, "ann")
    for row, (intent, concept, comment) in zip(rows, answers, strict=False):
        row |= {"intent": intent, "concept": concept, "comment": comment}
    return rows


def assert_nothing_lost(rows: list[dict[str, str]], back: ReadBack) -> None:
    said = {one.key: one for one in back.answered}
    kept = [(one.key, normal_text(one.text)) for one in back.kept]
    for row in rows:
        for column in ("intent", "concept"):
            text = normal_text(restore(row[column]))
            accepted = row["key"] in said and column in said[row["key"]].answers
            assert not text or accepted or (row["key"], text) in kept, (column, row[column])
        comment = normal_text(restore(row["comment"]))
        assert not comment or normal_text(said[row["key"]].comment) == comment


four = st.lists(shown_texts, min_size=4, max_size=4)
filled = st.lists(st.tuples(intents, concepts, typed), min_size=4, max_size=4)


@QUICK
@given(shown=four, answers=filled, seed=st.integers(0, 99), delimiter=st.sampled_from(",;\t"))
def test_csv_brings_everything_back(shown, answers, seed, delimiter):
    texts = {f"u{i}": text for i, text in enumerate(shown)}
    review = make_review(texts)
    rows = fill(review, texts, answers)
    random.Random(seed).shuffle(rows)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(sheet_columns(review))
    writer.writerows([row[column] for column in sheet_columns(review)] for row in rows)
    back = read_back(review, read_csv("s.csv", out.getvalue().encode()), "ann")
    assert_nothing_lost(rows, back)
    assert not [one for one in back.kept if one.column in ("text", "id") or one.column.startswith(PROPOSED)]


@QUICK
@given(shown=four, answers=filled)
def test_our_own_csv_and_xlsx_come_back_as_they_left(shown, answers):
    texts = {f"u{i}": text for i, text in enumerate(shown)}
    review = make_review(texts)
    rows = fill(review, texts, answers)
    columns = sheet_columns(review)
    for back in (
        read_back(review, read_csv("s.csv", write_csv(columns, rows)), "ann"),
        read_back(review, read_xlsx("s.xlsx", write_xlsx(columns, rows, review.pools)), "ann"),
    ):
        assert back.missing == ()
        assert_nothing_lost(rows, back)
        assert not [one for one in back.kept if one.why == "the shown text was edited"]


@settings(max_examples=25, deadline=None)
@given(answers=filled, dropped=st.integers(0, 3))
def test_xlsx_filled_in_by_another_program_comes_back(answers, dropped):
    texts = {f"u{i}": text for i, text in enumerate(["=1+1", "two\nlines", "😀", "'"])}
    review = make_review(texts)
    columns = sheet_columns(review)
    book = openpyxl.load_workbook(io.BytesIO(write_xlsx(columns, sheet_rows(review, texts, "ann"), review.pools)))
    sheet = book["review"]
    rows = []
    for line, (intent, concept, comment) in enumerate(answers, start=2):
        row = {"key": sheet.cell(line, 1).value, "intent": intent, "concept": concept, "comment": comment}
        for column in ("intent", "concept", "comment"):
            cell = sheet.cell(line, columns.index(column) + 1)
            cell.value = row[column]  # as typed: "=…" becomes a formula here
        rows.append(row)
    if dropped:  # openpyxl deletes a row where it is told to delete none
        sheet.delete_rows(2, dropped)
    saved = io.BytesIO()
    book.save(saved)
    back = read_back(review, read_xlsx("s.xlsx", saved.getvalue()), "ann")
    assert_nothing_lost(rows[dropped:], back)
    assert set(back.missing) == {row["key"] for row in rows[:dropped]}


@QUICK
@given(st.text() | st.sampled_from(UGLY))
def test_defusing_is_undone_and_leaves_no_formula(text):
    assert restore(defuse(text)) == text
    assert defuse(text)[:1] not in set("=+-@\t\r\n＝＋－＠") - {""}


@QUICK
@given(
    st.lists(st.sampled_from(["build", "learn", "(none)"]), max_size=2),
    st.lists(st.sampled_from(["caching", "testing", "c++", "(none)"]), max_size=3, unique=True),
    typed, typed,
)  # fmt: skip
def test_label_studio_brings_everything_back(intent, concept, other, comment):
    texts = {"u1": "hello\x00\ud800"}
    review = make_review(texts)
    [task] = json.loads(json.dumps(make_tasks(review, texts)))
    fields = [("intent", "choices", intent), ("concept", "choices", concept), ("other_tags", "text", [other])]
    result = [
        {"from_name": name, "to_name": "text", "type": "x", "value": {kind: values}}
        for name, kind, values in [*fields, ("comment", "text", [comment])]
    ]
    task["annotations"] = [{"completed_by": {"email": "ann@x"}, "result": result}]
    back = read_back(review, read_tasks("t.json", json.dumps([task]).encode()))
    typed_in = [text for text in (", ".join(intent), ", ".join(concept), other, comment) if text.strip()]
    kept = [one.text for one in back.kept]
    for one in back.answered:
        assert one.reviewer == "ann@x"
        kept += [", ".join(intent)] * ("intent" in one.answers) + [", ".join(concept)] * ("concept" in one.answers)
        kept.append(one.comment)
    assert all(restore(text) in kept for text in typed_in)


def one_row(**cells: str) -> tuple[Review, dict[str, str]]:
    review = make_review({"u1": "text"}, ids=("0012",))
    [row] = sheet_rows(review, {"u1": "text"}, "ann")
    return review, row | cells


def read_one(review: Review, row: dict[str, str]) -> ReadBack:
    return read_back(review, read_csv("s.csv", write_csv(list(row), [row])), "ann")


@pytest.mark.parametrize(
    ("cells", "answers", "kept"),
    [
        ({"intent": "Create"}, {"intent": ("build",)}, []),
        ({"intent": "(none)", "concept": "-"}, {"intent": (), "concept": ()}, []),
        ({"intent": "ok", "concept": "ok"}, {"intent": ("build",), "concept": ("testing",)}, []),
        ({"concept": "C++ | caching"}, {"concept": ("c++", "caching")}, []),
        ({"intent": "build, learn"}, {}, ["2 tags where one is asked for"]),
        ({"intent": "biuld"}, {}, ["not in the pool: 'biuld'; did you mean 'build'?"]),
        ({"concept": "caching, zig"}, {}, ["not in the pool: 'zig'"]),
        ({"id": "12", "intent": "learn"}, {"intent": ("learn",)}, ["the shown text was edited"]),
        ({"text": "text, but edited"}, {}, ["the shown text was edited"]),
        ({"my notes": "hm"}, {}, ["not an answer column"]),
        ({"key": "QQQQQQQQ", "id": "x", "intent": "learn"}, {}, ["no row of this review has this key"] * 5),
        ({"key": "", "id": "0012", "intent": "learn"}, {"intent": ("learn",)}, []),
    ],
)
def test_cells_are_checked_against_the_pools(cells, answers, kept):
    back = read_one(*one_row(**cells))
    assert [dict(one.answers) for one in back.answered] == ([answers] if answers else [])
    assert [one.why for one in back.kept] == kept
    assert all((one.file, one.row) == ("s.csv", 2) for one in back.kept)


def test_ok_agrees_to_nothing_that_was_not_shown_or_is_in_no_pool():
    blind = make_review({"u1": "text"}, blind=True)
    row = sheet_rows(blind, {"u1": "text"}, "ann")[0] | {"intent": "ok"}
    assert [one.why for one in read_one(blind, row).kept] == ["a blind review shows no proposal to agree to"]
    assert read_cell("ok", POOLS["intent"], ("retired",)) == ReadCell(None, "not in the pool: 'retired'")


def test_a_key_survives_capitals_and_blanks():
    review, row = one_row(intent="learn")
    row["key"] = f" {row['key'].upper()} "
    assert read_one(review, row).answered[0].answers == {"intent": ("learn",)}


def test_an_edited_header_keeps_its_answers_aside():
    review, row = one_row(intent="learn", concept="caching")
    renamed = {("my intent" if column == "intent" else column.upper()): cell for column, cell in row.items()}
    back = read_one(review, renamed)
    assert back.answered[0].answers == {"concept": ("caching",)}
    assert [(one.column, one.text) for one in back.kept] == [("my intent", "learn")]


def test_lines_above_the_header_and_other_sheets_are_read_too():
    review, row = one_row(intent="learn")
    book = openpyxl.Workbook()
    book.active.append(["checked by me", None])
    book.active.append(list(row))
    book.active.append([cell or None for cell in row.values()])
    book.create_sheet("notes").append(["a thought"])
    out = io.BytesIO()
    book.save(out)
    back = read_back(review, read_xlsx("s.xlsx", out.getvalue()), "ann")
    assert back.answered[0].answers == {"intent": ("learn",)}
    assert sorted((one.file, one.text) for one in back.kept) == [
        ("s.xlsx", "checked by me"),
        ("s.xlsx#notes", "a thought"),
    ]


def test_a_workbooks_numbers_and_dates_come_back_as_text():
    review, row = one_row()
    book = openpyxl.Workbook()
    book.active.append(list(row))
    row |= {"intent": 12.0, "concept": datetime.datetime(2026, 1, 2)}
    book.active.append([cell or None for cell in row.values()])
    out = io.BytesIO()
    book.save(out)
    back = read_back(review, read_xlsx("s.xlsx", out.getvalue()), "ann")
    assert {(one.column, one.text) for one in back.kept} == {("intent", "12"), ("concept", "2026-01-02T00:00:00")}


def test_a_megabyte_cell_is_cut_visibly_for_the_sheet_and_whole_in_a_task():
    texts = {"u1": "😀" * 500_000}
    review = make_review(texts)
    [row] = sheet_rows(review, texts, "ann")
    assert len(row["text"].encode("utf-16-le")) // 2 <= 32_767
    assert "cut here: " in row["text"]
    assert make_tasks(review, texts)[0]["data"]["text"] == texts["u1"]
    typed = "x" * 1_000_000
    back = read_one(review, row | {"intent": "learn", "concept": typed})
    assert back.answered[0].answers == {"intent": ("learn",)}
    assert [one.text for one in back.kept] == [typed]


def test_control_characters_are_shown_not_hidden():
    assert show_text("a\x00b\x1bc\rd\x7f\ud800") == "a␀b␛c\nd␡\ufffd"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_comes_back_in_the_encodings_of_spreadsheets(encoding):
    review, row = one_row(intent="learn", comment="café")
    out = io.StringIO()
    csv.writer(out).writerows([list(row), list(row.values())])
    back = read_back(review, read_csv("s.csv", out.getvalue().encode(encoding)), "ann")
    assert (back.answered[0].answers, back.answered[0].comment) == ({"intent": ("learn",)}, "café")


def test_a_row_that_stands_twice_keeps_the_second_aside():
    review, row = one_row(intent="learn")
    lines = [row, row | {"intent": "build"}, row]
    back = read_back(review, read_csv("s.csv", write_csv(list(row), lines)), "ann")
    assert back.answered[0].answers == {"intent": ("learn",)}
    assert [(one.row, one.column, one.text) for one in back.kept] == [(3, "intent", "build")]


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (read_csv, b"%PDF-1.7\x00\x01"),
        (read_csv, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"),
        (read_xlsx, b"PK\x03\x04nonsense"),
        (read_xlsx, b"text"),
        (read_tasks, b"{"),
        (read_tasks, b"[1]"),
    ],
)
def test_files_that_are_no_sheets_say_what_is_accepted(reader, content):
    with pytest.raises(SheetError, match=r"(save it as|accepted)"):
        reader("f", content)
