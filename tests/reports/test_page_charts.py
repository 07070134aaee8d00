"""Counts → geometry, and rows → what is shown of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rayjob.labels.asking import FAILURE_KINDS
from rayjob.reports.charts import bars, heat_map, line, ranges, thin
from rayjob.reports.problems import ADVICE, find_problems
from rayjob.reports.rows import view_failure, view_row
from rayjob.reports.run_header import tiles


def test_bars_are_ranked_and_the_long_tail_is_folded() -> None:
    found = bars("language", {"go": 5, "c": 10, "ada": 5, "d": 1, "e": 1}, samples=20, top=3)
    assert [(bar.label, bar.length, bar.share) for bar in found.shown] == [
        ("c", 100, 50), ("ada", 50, 25), ("go", 50, 25),
    ]  # fmt: skip
    assert [bar.label for bar in found.folded] == ["d", "e"]
    assert found.folded_count == 2


def test_a_single_bar_is_not_folded_and_nothing_is_no_error() -> None:
    assert bars("x", {"a": 3, "b": 2, "c": 1}, samples=3, top=2).folded == ()
    assert bars("x", {}, samples=0).shown == ()
    assert bars("x", {"a": 0}, samples=0).shown[0].length == 0


def test_a_heat_map_follows_the_order_it_is_given() -> None:
    counts = {"build": {"expert": 1, "beginner": 8}, "learn": {"beginner": 30}, "new": {"beginner": 1}}
    found = heat_map("intent×difficulty", counts, {"intent": ["build", "learn"], "difficulty": ["beginner", "expert"]})
    assert (found.down, found.across, found.columns) == ("intent", "difficulty", ("beginner", "expert"))
    assert [(name, [cell.count for cell in cells], total) for name, cells, total in found.rows] == [
        ("build", [8, 1], 9), ("learn", [30, 0], 30), ("new", [1, 0], 1),
    ]  # fmt: skip
    assert [cell.level for _, cells, _ in found.rows for cell in cells] == [3, 1, 8, 0, 1, 0]
    assert found.totals == (39, 1)


def test_the_dimension_with_more_tags_goes_down() -> None:
    found = heat_map("difficulty×intent", {"expert": {"a": 1, "b": 2, "c": 3}}, {})
    assert (found.down, found.across, found.columns, found.totals) == ("intent", "difficulty", ("expert",), (6,))
    assert [name for name, _, _ in found.rows] == ["c", "b", "a"]


def test_confidence_shares_one_axis_that_starts_below_the_smallest() -> None:
    stats = {
        "a": {"mean": 0.8, "min": 0.62, "max": 1.0, "below_threshold": 2},
        "b": {"mean": 0.9, "min": 0.9, "max": 0.9},
    }
    found = ranges(stats, {"a": [0] * 6 + [1, 0, 4, 0]})
    assert [round(value, 2) for _, value in found.ticks] == [0.6, 0.7, 0.8, 0.9, 1.0]
    assert found.rows[0].at == pytest.approx((5, 50, 100))
    assert [(round(x), round(width), height, count) for x, width, height, count in found.rows[0].bins] == [
        (0, 25, 25, 1), (50, 25, 100, 4),
    ]  # fmt: skip
    assert (found.rows[0].below, found.rows[1].below, found.has_bins) == (2, 0, True)
    assert ranges({}, {}).rows == ()


def test_an_axis_has_a_width_even_where_all_are_certain() -> None:
    assert ranges({"a": {"mean": 1, "min": 1, "max": 1}}, {}).rows[0].at == pytest.approx((100, 100, 100))


def test_a_line_fills_its_box() -> None:
    found = line("rows", "", [(10, 0), (20, 5), (30, 20)])
    assert found.path == "M0.0,100.0 L500.0,75.0 L1000.0,0.0"
    assert (found.top, found.last) == (20, 20)
    assert line("rows", "", [(10, 3)]).path == ""
    assert line("rows", "", [(1, 0), (2, 0)]).path == "M0.0,100.0 L1000.0,100.0"


def test_thinning_keeps_the_last_point() -> None:
    kept = thin([(float(i), float(i)) for i in range(1001)], most=100)
    assert len(kept) <= 100
    assert kept[-1] == (1000, 1000)


@pytest.mark.parametrize(
    ("row", "title"),
    [
        ({"conversation": '[{"from": "human", "value": " hi\\n there "}]', "format": "sharegpt"}, "hi there"),
        ({"conversation": '[{"instruction": "Add.", "output": "ok"}]', "format": "alpaca"}, "Add."),
        ({"conversation": "no JSON"}, "no JSON"),
        ({"conversation": "[]"}, "[]"),
        ({"conversation": None}, ""),
        ({}, ""),
        ({"conversation": json.dumps([{"role": "user", "content": "x" * 300}])}, "x" * 220 + "… (80 characters more)"),
    ],
)
def test_a_row_is_called_by_what_was_asked(row: dict[str, Any], title: str) -> None:
    assert view_row(row).title == title
    assert view_failure(row).title == title


def test_many_turns_are_cut_and_counted() -> None:
    turns = [{"role": role, "content": f"{i}"} for i in range(5) for role in ("user", "assistant")]
    view = view_row({"conversation": json.dumps(turns)})
    assert (len(view.turns), view.hidden_turns) == (6, 4)


def test_every_failure_kind_has_advice() -> None:
    assert set(ADVICE) == set(FAILURE_KINDS)


def test_problems_are_ranked_by_how_many_samples_they_touch() -> None:
    stats = {
        "failures": {"timeout": 5, "odd": 1},
        "unmapped_tags": {"language:cuda": 7, "a": 6, "a: b": 2},
        "tag_distributions": {"language": {}},
        "confidence_stats": {"task": {"below_threshold": 3}, "intent": {"below_threshold": 0}},
        "consistency_warning_count": 1,
    }
    assert [problem.what for problem in find_problems(stats)] == [
        "8 tags suggested, most often a (6)",
        "7 tags outside the pools, most often language:cuda (7)",
        "5 samples failed: timeout",
        "3 samples with a confidence below the threshold in task",
        "1 sample breaks a consistency rule",
        "1 sample failed: odd",
    ]
    assert find_problems({}) == ()
    shown = find_problems({"failures": {"timeout": 1}}, {}, {"timeout": "no\n answer " + "x" * 500})[0].example
    assert shown.startswith("no answer xxx")
    assert len(shown) == 200


LABELS = {"confidence_stats": {"task": {"below_threshold": 3}}, "unmapped_tags": {"language:cuda": 1}}
CHOICE = {
    "confidence_stats": {"choice": {"below_threshold": 9}},
    "tag_distributions": {"choice": {"a": 31, "abstain": 2}},
}


@pytest.mark.parametrize(
    ("stats", "steps", "said"),
    [
        (LABELS, [], ["an arbitrate step would ask again; what stays low", "taxonomy, or a map step to the spec"]),
        (LABELS, [{"arbitrate": {}}], ["arbitration has asked again; what stays low", ", or a map step to the spec"]),
        (LABELS, [{"map": {}}], ["an arbitrate step would ask again", "add an alias or a tag to the taxonomy"]),
        (CHOICE, [{"choose": {"dimension": "choice", "confidence": 0.6}}], ["people to choose; a lower confidence"]),
        (CHOICE, [{"choose": {"dimension": "choice", "precision": 0.9}}], ["people to choose; a lower precision"]),
    ],
)
def test_advice_is_about_steps_that_the_run_has(
    stats: dict[str, Any], steps: list[dict[str, Any]], said: list[str]
) -> None:
    found = find_problems(stats, {"spec": {"steps": steps, "models": {}}})
    assert [text in problem.advice for text, problem in zip(said, found, strict=True)] == [True] * len(said)
    assert ("map step" in found[-1].advice) == ("map step" in said[-1])


@pytest.mark.parametrize(
    ("kinds", "models", "names"),
    [
        (["choose"], {}, []),
        (["label"], {"worker": {}}, ["LLM calls", "Tokens", "Cost"]),
        (["label", "arbitrate"], {"worker": {}}, ["LLM calls", "Tokens", "Cost", "Arbitrated"]),
    ],
)
def test_the_headline_numbers_are_of_what_the_run_has(
    kinds: list[str], models: dict[str, Any], names: list[str]
) -> None:
    run = {"spec": {"steps": [{kind: {}} for kind in kinds], "models": models}}
    assert [tile.name for tile in tiles(run, {})] == ["Samples", "Labelled", "Failed", *names]
