"""Statistics: any split of the rows, in any order, adds up to the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.labels import stats as module
from rayjob.labels.stats import RunStats

score = st.none() | st.floats(0, 1)
call = st.fixed_dictionaries(
    {
        "step": st.sampled_from(["a", "b"]), "model": st.sampled_from(["m", "n"]),
        "prompt_tokens": st.integers(0, 9999),
        "cached_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 999),
        "cost_usd": st.floats(0, 1), "from_ledger": st.booleans(),
    }
)  # fmt: skip
row = st.fixed_dictionaries(
    {
        "labels": st.fixed_dictionaries(
            {"intent": st.sampled_from(["", "learn", "build"]), "language": st.lists(st.sampled_from(["go", "python"]))}
        ),
        "confidence": st.fixed_dictionaries({"intent": score, "language": score}),
        "unmapped": st.lists(
            st.fixed_dictionaries({"dimension": st.sampled_from(["", "task"]), "value": st.text(max_size=3)}),
            max_size=3,
        ),
        "issues": st.lists(st.just("x"), max_size=1),
        "warnings": st.lists(st.just("x"), max_size=2),
        "arbitrated": st.booleans(),
        "calls": st.lists(call, max_size=2),
        "failure": st.none() | st.fixed_dictionaries({"kind": st.sampled_from(["timeout", "server"])}),
    }
)


def total(rows: list[dict[str, Any]]) -> RunStats:
    stats = RunStats()
    for one in rows:
        stats.add(one)
    return stats


def joined(*parts: RunStats) -> dict[str, Any]:
    whole = RunStats()
    for part in parts:
        whole.merge(part)
    return whole.to_dict({"a": ["intent", "language"]})


@settings(max_examples=60, deadline=None)
@given(st.lists(row, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_rows_add_up_the_same_however_they_are_split_and_ordered(rows: list[dict[str, Any]], i: int, j: int) -> None:
    one, two, three = rows[: min(i, j)], rows[min(i, j) : max(i, j)], rows[max(i, j) :]
    whole = total(rows).to_dict({"a": ["intent", "language"]})
    assert joined(total(one), total(two), total(three)) == whole
    assert joined(total(three), total(one), total(two)) == whole
    left = total(one)
    left.merge(total(two))
    assert joined(left, total(three)) == whole
    assert total(rows[::-1]).to_dict({"a": ["intent", "language"]}) == whole


def test_more_unmapped_tags_than_are_kept_end_in_one_number_whatever_the_split(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_UNMAPPED", 10)
    rows = [{"unmapped": [{"dimension": "", "value": str(n % 40)}]} for n in range(200)]
    whole = total(rows).to_dict()
    assert whole["unmapped_unique_count"] == 10
    assert set(whole["unmapped_tags"].values()) == {5}
    assert whole["unmapped_other"] == 150
    assert joined(total(rows[:63]), total(rows[63:]))["unmapped_tags"] == whole["unmapped_tags"]


def test_keys_of_stats_json() -> None:
    calls = [
        {"step": "character", "model": "worker", "prompt_tokens": 90, "cached_tokens": 60, "completion_tokens": 10,
         "cost_usd": 0.5, "from_ledger": False},
        {"step": "arbitrate", "model": "judge", "prompt_tokens": 10, "cached_tokens": 0, "completion_tokens": 5,
         "cost_usd": 0.25, "from_ledger": True},
    ]  # fmt: skip
    stats = RunStats()
    stats.add(
        {
            "labels": {"intent": "learn", "language": ["go", "python"]},
            "confidence": {"intent": 0.6, "language": None},
            "unmapped": [{"dimension": "task", "value": "x"}, {"dimension": "", "value": "x"}],
            "issues": ["i"], "warnings": [], "arbitrated": True, "calls": calls, "failure": None,
        }
    )  # fmt: skip
    stats.add({"failure": {"kind": "timeout"}, "labels": {"intent": "learn"}, "calls": calls[:1]})
    got = stats.to_dict({"character": ["intent", "language"]})
    assert got["by_dimension"]["intent"] == {
        "prompt_tokens": 90.0, "cached_tokens": 60.0, "completion_tokens": 10.0, "tokens": 100.0, "cost_usd": 0.5,
    }  # fmt: skip
    assert {name: got[name] for name in list(got)[:22]} == {
        "total_samples": 2, "success": 1, "failed": 1, "success_rate": 0.5, "total_llm_calls": 3,
        "calls_from_ledger": 1, "avg_calls_per_sample": 1.5, "arbitrated_count": 1,
        "arbitrated_rate": 0.5, "total_prompt_tokens": 190,
        "total_cached_tokens": 120, "total_completion_tokens": 25, "total_tokens": 215, "total_cost_usd": 1.25,
        "validation_issue_count": 1, "consistency_warning_count": 0, "unmapped_tags": {"task:x": 1, "x": 1},
        "unmapped_unique_count": 2, "unmapped_other": 0,
        "confidence_stats": {"intent": {"mean": 0.6, "min": 0.6, "max": 0.6, "below_threshold": 1}},
        "tag_distributions": {"intent": {"learn": 1}, "language": {"go": 1, "python": 1}}, "failures": {"timeout": 1},
    }  # fmt: skip
    assert got["by_model"]["judge"]["cost_usd"] == 0.25
    assert got["by_step"]["character"]["calls"] == 2


def test_thresholds_per_dimension() -> None:
    stats = RunStats({"intent": 0.9})
    stats.add({"labels": {}, "confidence": {"intent": 0.8, "language": 0.1}})
    counted = {name: entry["below_threshold"] for name, entry in stats.to_dict()["confidence_stats"].items()}
    assert counted == {"intent": 1, "language": 0}
