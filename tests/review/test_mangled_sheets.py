"""What spreadsheets and people do to a sheet between out and back: whatever it is, nothing that was typed is lost."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment

from rayjob.review.cells import normal_text, restore
from rayjob.review.csv_sheet import read_csv
from rayjob.review.label_studio import make_tasks, read_tasks
from rayjob.review.pools import read_cell
from rayjob.review.reading import ReadBack, read_back
from rayjob.review.sheet import Review, sheet_columns, sheet_rows
from rayjob.review.table import RawRow
from rayjob.review.xlsx_sheet import read_xlsx, write_xlsx
from tests.review.reviews import make_review

Cells = list[list[str]]

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = {"u0": "=1+1", "u1": 'two\nlines, "quoted"; and more\t.', "u2": "😀 שלום", "u3": "'"}
IDS = ("0012", "1E5", "2026-01-02", "123456789012345678")
typed = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20
) | st.sampled_from(
    ["build", "LEARN", "(none)", "caching, testing", "a;b", 'say "hi"', "=1+1", "-5", "00:30", "שלום", "🇩🇪"]
)
answers = st.lists(st.tuples(typed, typed, typed), min_size=4, max_size=4)


def mangle_ids(table: Cells, rng: random.Random) -> Cells:
    """As Excel opens a CSV: leading zeros gone, 1E5 a number, dates in the country's order, long numbers rounded."""
    seen = {"0012": "12", "1E5": "1,00E+05", "2026-01-02": "02.01.2026", "123456789012345678": "1.23457E+17"}
    return [[seen.get(cell, cell) for cell in line] for line in table]


def shuffle_rows(table: Cells, rng: random.Random) -> Cells:
    return [table[0], *rng.sample(table[1:], len(table) - 1)]


def drop_rows(table: Cells, rng: random.Random) -> Cells:
    return [table[0], *table[2:]]


def repeat_row(table: Cells, rng: random.Random) -> Cells:
    return [*table, table[-1]]


def shuffle_columns(table: Cells, rng: random.Random) -> Cells:
    order = rng.sample(range(len(table[0])), len(table[0]))
    return [[line[at] for at in order] for line in table]


def rename_column(table: Cells, rng: random.Random) -> Cells:
    at = rng.randrange(len(table[0]))
    return [[*table[0][:at], "renamed by me", *table[0][at + 1 :]], *table[1:]]


def shout_header(table: Cells, rng: random.Random) -> Cells:
    return [[f"  {cell.upper()} " for cell in table[0]], *table[1:]]


def blank_header(table: Cells, rng: random.Random) -> Cells:
    at = rng.randrange(len(table[0]))
    return [[*table[0][:at], "", *table[0][at + 1 :]], *table[1:]]


def add_title(table: Cells, rng: random.Random) -> Cells:
    return [["checked, with care"], [], *table]


def add_column(table: Cells, rng: random.Random) -> Cells:
    return [[*table[0], "my notes"], *([*line, f"note {i}"] for i, line in enumerate(table[1:]))]


MANGLERS: tuple[Callable[[Cells, random.Random], Cells], ...] = (
    mangle_ids, shuffle_rows, drop_rows, repeat_row, shuffle_columns, rename_column, shout_header, blank_header,
    add_column,
)  # fmt: skip


def typed_in(table: Cells, ours: set[str]) -> list[str]:
    """Every cell of the table that we did not write."""
    return [cell for line in table for cell in line if cell.strip() and normal_text(cell).casefold() not in ours]


def assert_typed_is_somewhere(review: Review, table: Cells, back: ReadBack) -> None:
    rows = sheet_rows(review, TEXTS, "ann")
    ours = {normal_text(cell).casefold() for row in rows for pair in row.items() for cell in pair}
    ours |= {"renamed by me", "my notes"}  # names of columns: they stand beside whatever was typed below them
    somewhere = {normal_text(one.text) for one in back.kept} | {normal_text(one.comment) for one in back.answered}
    accepted = [(name, tags) for one in back.answered for name, tags in one.answers.items()]
    for cell in typed_in(table, ours):
        text = normal_text(restore(cell))
        assert text in somewhere or not text or _is_answer(review, text, accepted), cell


def _is_answer(review: Review, text: str, accepted: list[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether an answer that was accepted says the same."""
    readings = [
        (name, read_cell(text, pool, review.rows[0].proposal[name]).tags) for name, pool in review.pools.items()
    ]
    return any(reading in accepted for reading in readings if reading[1] is not None)


def table_of(review: Review, said: list[tuple[str, str, str]]) -> Cells:
    columns = sheet_columns(review)
    rows = sheet_rows(review, TEXTS, "ann")
    for row, (intent, concept, comment) in zip(rows, said, strict=True):
        row |= {"intent": intent, "concept": concept, "comment": comment}
    return [columns, *([row[column] for column in columns] for row in rows)]


@example(
    said=[("", "", "")] * 4, manglers=[blank_header, rename_column], titled=True, seed=330, encoding="utf-8",
    delimiter=";",
)  # fmt: skip
@QUICK
@given(
    said=answers,
    manglers=st.lists(st.sampled_from(MANGLERS), max_size=3, unique=True),
    titled=st.booleans(),
    seed=st.integers(0, 999),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    delimiter=st.sampled_from(",;\t"),
)
def test_a_csv_that_was_mangled_loses_nothing(said, manglers, titled, seed, encoding, delimiter):
    review, rng = make_review(TEXTS, ids=IDS), random.Random(seed)
    table = table_of(review, said)
    for mangler in manglers:
        table = mangler(table, rng)
    table = add_title(table, rng) if titled else table
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(["\r\n", "\n"])).writerows(table)
    back = read_back(review, read_csv("s.csv", out.getvalue().encode(encoding)), "ann")
    assert_typed_is_somewhere(review, table, back)


@settings(max_examples=40, deadline=None)
@given(
    said=answers,
    manglers=st.lists(st.sampled_from(MANGLERS), max_size=3, unique=True),
    titled=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_workbook_that_was_mangled_loses_nothing(said, manglers, titled, seed):
    review, rng = make_review(TEXTS, ids=IDS), random.Random(seed)
    table = table_of(review, said)
    for mangler in manglers:
        table = mangler(table, rng)
    book = openpyxl.Workbook()
    for line in add_title(table, rng) if titled else table:
        book.active.append([cell or None for cell in line])
    out = io.BytesIO()
    book.save(out)
    back = read_back(review, read_xlsx("s.xlsx", out.getvalue()), "ann")
    assert_typed_is_somewhere(review, add_title(table, rng) if titled else table, back)


def test_mangled_ids_cost_no_answer():
    review = make_review(TEXTS, ids=IDS)
    table = mangle_ids(table_of(review, [("learn", "caching", "")] * 4), random.Random(0))
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    back = read_back(review, read_csv("s.csv", out.getvalue().encode()), "ann")
    assert [one.answers for one in back.answered] == [{"intent": ("learn",), "concept": ("caching",)}] * 4
    assert {one.id for one in back.answered} == set(IDS)
    assert {one.column for one in back.kept} == {"id"}


def test_a_title_of_commas_does_not_hide_a_header_of_semicolons():
    review = make_review(TEXTS, ids=IDS)
    out = io.StringIO(newline="")
    out.write("checked, slowly, by me, on Monday\n")
    csv.writer(out, delimiter=";").writerows(table_of(review, [("learn", "", "")] * 4))
    back = read_back(review, read_csv("s.csv", out.getvalue().encode()), "ann")
    assert len(back.answered) == 4
    assert [one.text for one in back.kept] == ["checked, slowly, by me, on Monday"]


def test_bytes_of_an_unknown_encoding_can_be_told_from_what_is_kept():
    [row] = read_csv("s.csv", b"key,note\nbcdfghjk,\x81\x8d\xe0\n")
    assert row.cells["note"].encode("latin-1") == b"\x81\x8d\xe0"


def workbook(review: Review) -> openpyxl.Workbook:
    rows = sheet_rows(review, TEXTS, "ann")
    return openpyxl.load_workbook(io.BytesIO(write_xlsx(sheet_columns(review), rows, review.pools)))


def saved(book: openpyxl.Workbook) -> list[RawRow]:
    out = io.BytesIO()
    book.save(out)
    return read_xlsx("s.xlsx", out.getvalue())


def test_notes_on_cells_are_kept_with_their_place():
    review = make_review(TEXTS)
    book = workbook(review)
    for place in ("A1", "E2", "Z3", "C60"):
        book["review"][place].comment = Comment(f"see {place}", "ann")
    book["pools"]["A2"].comment = Comment("a word for this?", "ann")
    back = read_back(review, saved(book), "ann")
    assert sorted((one.column, one.text) for one in back.kept) == [
        ("note on A1", "see A1"), ("note on A2", "a word for this?"), ("note on C60", "see C60"),
        ("note on E2", "see E2"), ("note on Z3", "see Z3"),
    ]  # fmt: skip


def test_tags_typed_into_the_sheet_of_the_pools_are_kept():
    review = make_review(TEXTS)
    book = workbook(review)
    assert read_back(review, saved(book), "ann").kept == ()
    book["pools"]["B6"] = "sharding"
    book["pools"]["D1"] = "mood"
    kept = read_back(review, saved(book), "ann").kept
    assert sorted((one.file, one.row, one.text) for one in kept) == [
        ("s.xlsx#pools", 1, "mood"), ("s.xlsx#pools", 6, "sharding"),
    ]  # fmt: skip


def test_a_million_painted_lines_are_not_read():
    review = make_review(TEXTS)
    book = workbook(review)
    book["review"]["A200000"].fill = openpyxl.styles.PatternFill("solid", fgColor="FFFF00")
    assert read_back(review, saved(book), "ann").missing == ()


def test_a_header_with_nothing_below_it_was_typed_too():
    review = make_review(TEXTS)
    book = workbook(review)
    book["review"]["Z1"] = "I stopped after row 3"
    [one] = read_back(review, saved(book), "ann").kept
    assert (one.row, one.column, one.text) == (1, "column Z", "I stopped after row 3")


@pytest.mark.parametrize(
    ("extra", "column", "text"),
    [
        ({"drafts": [{"user": "bob", "result": [("intent", {"choices": ["learn"]})]}]}, "draft: intent", "learn"),
        ({"annotations": [{"result": [("stars", {"rating": 4})]}]}, "stars", '{"rating": 4}'),
        (
            {"annotations": [{"was_cancelled": True, "result": [("comment", {"text": ["no"]})]}]},
            "skipped: comment",
            "no",
        ),
        ({"annotations": [{"result": [("comment", {"text": "x" * 1_000_000})]}]}, "", "x" * 1_000_000),
    ],
)
def test_label_studio_keeps_drafts_skips_and_controls_of_its_own(extra, column, text):
    review = make_review({"u1": "hello"})
    [task] = make_tasks(review, {"u1": "hello"})
    for one in [*extra.get("annotations", []), *extra.get("drafts", [])]:
        one["result"] = [{"from_name": name, "value": value} for name, value in one["result"]]
    back = read_back(review, read_tasks("t.json", json.dumps([{**task, **extra}]).encode()), "ann")
    if column:
        assert [(one.column, one.text) for one in back.kept] == [(column, text)]
        assert not [one for one in back.answered if one.answers]
    else:
        assert back.answered[0].comment == text
