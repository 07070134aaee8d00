"""What a comparison is written as: Markdown, HTML, JSON, and the conditions that fail it."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import pytest

from rayjob.reports.compare import Options, compare_sides
from rayjob.reports.compare_details import find_details
from rayjob.reports.compare_fail import ConditionError, failed_conditions, parse_condition
from rayjob.reports.compare_json import to_json
from rayjob.reports.compare_page import compare_pictures, heat_map, to_html, to_markdown
from rayjob.reports.compare_tables import all_tables
from rayjob.reports.table import Table
from tests.reports.labelled_sides import record, side

NASTY = '<script src="https://x.example/a.js">alert(1)</script>|`*'


@pytest.fixture
def found(tmp_path):
    a = [record(i, intent="learn" if i < 5 else "build", concept=("x",)) for i in range(20)]
    b = [record(i, intent=NASTY if i == 3 else "build", concept=("x",)) for i in range(20)]
    return compare_sides([side(tmp_path, "a", a), side(tmp_path, "b", b)], Options(draws=50))


class Fetched(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data")]


def test_html_escapes_what_the_data_says_and_fetches_nothing(found):
    details = find_details(found)
    page = Fetched()
    text = to_html(NASTY, all_tables(found, details), compare_pictures(found, details))
    page.feed(text)
    assert page.addresses == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 2
    assert "url(" not in text
    assert "@import" not in text


def test_markdown_cells_stay_in_their_cells():
    table = Table("t", ("a", "b"), (("x|y\n<b>", "1"),))
    lines = to_markdown("T", [table]).splitlines()
    assert lines[-1] == "| x\\|y \\<b\\> | 1 |"


def test_json_has_every_metric_and_no_nan(found):
    text = json.dumps(to_json(found, find_details(found)), allow_nan=False)
    read = json.loads(text)
    metrics = read["pairs"][0]["metrics"]
    assert metrics["intent"]["exact"]["value"] == pytest.approx(15 / 20)
    assert metrics["difficulty"]["kappa"]["value"] is None
    assert set(metrics) == {"overall", "intent", "difficulty", "concept", "task"}


def test_heat_map_leaves_unknown_cells_white():
    assert 'fill="#fff"' in heat_map("t", ["r"], ["c"], [[math.nan]])


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("intent.exact < 0.8", True),
        ("intent.exact<75%", False),
        ("intent.exact <= 75%", True),
        ("overall.exact.low > 0", True),
        ("concept.jaccard >= 1", True),
        ("concept.jaccard != 1.0", False),
        ("difficulty.kappa < 0.8", True),  # not defined: nothing to trust
    ],
)
def test_conditions_compare_a_metric_with_a_number(found, text, fails):
    assert bool(failed_conditions(found, [parse_condition(text)])) is fails


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("intent.kappa", "not a condition"),
        ("__import__('os').system('x') < 1", "not a condition"),
        ("intent.kappa < banana", "not a condition"),
        ("intent.kappa.lo < 1", "did you mean 'low'"),
        ("intnt.kappa < 1", "did you mean 'intent'"),
        ("intent.kapa < 1", "did you mean 'kappa'"),
    ],
)
def test_conditions_that_cannot_be_meant_say_what_can(found, text, message):
    with pytest.raises(ConditionError, match=message):
        failed_conditions(found, [parse_condition(text)])
