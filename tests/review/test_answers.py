"""Answers of several reviewers and imports together."""

from __future__ import annotations

import math

from rayjob.review.answers import find_conflicts, find_progress, merge_answers, reviewers_agreement
from rayjob.review.folder import read_answers, read_kept, write_answers
from rayjob.review.reading import Answered, Kept
from tests.review.reviews import make_review


def said(key: str, who: str, intent: str = "", concept: tuple[str, ...] | None = None, **more: object) -> Answered:
    answers = ({"intent": (intent,)} if intent else {}) | ({} if concept is None else {"concept": concept})
    return Answered(key, "u" + key, key, who, answers, **more)  # type: ignore[arg-type]


def test_a_later_import_replaces_answers_and_keeps_the_old_ones():
    old = [said("a", "ann", "learn", ("x",), comment="hm", file="1.csv", row=2)]
    new = [said("a", "ann", "build", file="2.csv", row=5), said("b", "ann", "learn")]
    merged, kept = merge_answers(old, new)
    assert [dict(one.answers) for one in merged] == [{"intent": ("build",), "concept": ("x",)}, {"intent": ("learn",)}]
    assert merged[0].comment == "hm"
    assert [(one.file, one.row, one.column, one.text) for one in kept] == [("1.csv", 2, "intent", "learn")]
    assert merge_answers(merged, new) == (merged, [])


def test_conflicts_name_who_said_what():
    answers = [said("a", "ann", "learn", ("x",)), said("a", "bob", "build", ("x",)), said("b", "ann", "learn")]
    [conflict] = find_conflicts(answers)
    assert (conflict.key, conflict.dimension) == ("a", "intent")
    assert conflict.answers == {"ann": ("learn",), "bob": ("build",)}


def test_agreement_counts_rows_two_have_answered():
    answers = [said(key, who, "build" if key + who == "abob" else "learn") for key in "abcd" for who in ("ann", "bob")]
    [intent] = reviewers_agreement(make_review({"u": ""}), [*answers, said("e", "ann", "build")])
    assert (intent.dimension, intent.rows, intent.exact) == ("intent", 4, 0.75)
    assert not math.isnan(intent.alpha)
    assert reviewers_agreement(make_review({"u": ""}), [said("a", "ann", "learn")]) == []


def test_progress_counts_complete_and_begun_rows():
    review = make_review({"u1": "", "u2": ""})
    [key, _] = [row.key for row in review.rows]
    found = find_progress(review, [said(key, "ann", "learn", ("caching",)), said(key, "cy", "learn")])
    assert [(one.reviewer, one.given, one.complete, one.begun) for one in found] == [
        ("ann", 2, 1, 1), ("bob", 2, 0, 0), ("cy", 0, 0, 1),
    ]  # fmt: skip


def test_answers_and_what_is_kept_survive_the_folder(tmp_path):
    answers = [said("a", "ann", "learn", (), comment="x\u2028y\n😀")]
    kept = [Kept("f", 3, "a", "ann", "concept", "=1\u2028", "not in the pool")]
    for _ in range(2):
        write_answers(str(tmp_path), answers, kept)
    assert read_answers(str(tmp_path)) == answers
    assert read_kept(str(tmp_path)) == kept
