"""Equations in prose, LaTeX and chains: which are found, which hold, where their numbers come from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.choice.algebra import algebra_features
from rayjob.choice.answers import answer_key, answer_value
from rayjob.choice.equations import find_checks
from rayjob.choice.notation import plain
from rayjob.choice.table import describe, feature_names
from rayjob.choice.trace import read_problem, read_trace


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("She buys 3 bags of 4, so 3 * 4 = 12 apples.", [(12.0, True)]),
        ("The total is $80,000 + $50,000 = $130,000.", [(130000.0, True)]),
        ("5 days x 5 classes = 25 classes", [(25.0, True)]),
        ("35 hours/week * $20/hour = $700/week", [(700.0, True)]),
        ("150% of 80000 = 120000", [(120000.0, True)]),
        (r"\frac{3}{4} \times 8 = 6", [(6.0, True)]),
        (r"\(30 \times 3 = \$90\)", [(90.0, True)]),
        ("8 + 6 + 7 = 8 + 13 = 22", [(21.0, True), (22.0, False)]),
        ("10 / 3 = 3.33", [(3.33, True)]),
        ("2^10 = 1024", [(1024.0, True)]),
        (r"\sqrt{16} + 1 = 5", [(5.0, True)]),
        ("30% of 30 is 9", [(9.0, True)]),
        ("8 + 4 = 13", [(13.0, False)]),
        ("4x = 70 - 10 - 20 = 40", [(40.0, True)]),
        ("2A + 10 = 45", []),
        ("x + 3 = 10", []),
        ("f(2) = 5 + 1", []),
        ("Day 2 amount = 4000 * 2 = 8000 gallons", [(8000.0, True)]),
        (r"11_2 + 1_2 = 100_2", []),
        ("", []),
    ],
)
def test_an_equation_is_found_and_checked(text: str, found: list[tuple[float, bool]]) -> None:
    assert [(check.result, check.holds) for check in find_checks(plain(text))] == found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("$70,000", "70000"), ("48 hours", "48"), (r"\frac{3}{4}", "0.75"), ("25%", "25"), ("x = 5", "5"), ("5.0", "5"),
        ("-15", "−15"), ("**12**", "12"), (r"\boxed{7}", "7"), ("3x + 1", "3x+1"), ("$7,425.00", "7425"),
    ],
)  # fmt: skip
def test_answers_that_mean_the_same_are_equal(first: str, second: str) -> None:
    assert answer_key(first) == answer_key(second)


@pytest.mark.parametrize("answer", ["Cannot be determined", "32 + 0.8x", "", "2n"])
def test_an_answer_that_is_no_number_has_no_value(answer: str) -> None:
    assert answer_value(answer) is None


def test_operands_are_traced_to_the_question_or_an_earlier_result() -> None:
    problem = read_problem("Ann has 3 bags of 4 apples and eats 2.")
    trace = read_trace(problem, "3 * 4 = 12. 12 - 2 = 10. 10 * 17 = 170.", "170")
    assert trace.unsupported == [0, 0, 1]
    assert len(trace.sources[1]) == 3
    assert trace.used_results == {0, 1}


@pytest.mark.parametrize(
    ("text", "fits", "fails"),
    [("2x + 4 = 10, so x = 3", 1, 0), ("2x + 4 = 10, so x = 4", 0, 1), ("x = 3", 0, 0), ("2(x + 1) = 3y", 0, 0)],
)
def test_a_stated_solution_is_put_into_the_equations(text: str, fits: int, fails: int) -> None:
    features = algebra_features(plain(text))
    assert (features["solution_fits"] > 0, features["solution_fails"] > 0) == (bool(fits), bool(fails))


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=200), st.text(alphabet="0123456789+-*/^()=.,%$x \\{}frac\n", max_size=120), st.text(max_size=20)
)
def test_no_text_breaks_the_features(question: str, text: str, answer: str) -> None:
    features = describe(question, text, answer)
    assert tuple(features) == feature_names()
    assert all(value == value and abs(value) < 1e6 for value in features.values())


def test_a_very_long_reasoning_is_read_in_bounded_time() -> None:
    assert describe("How many is 2 + 2?", "2 + 2 = 4, " * 100_000, "4")["answer_stated"] == 1.0
