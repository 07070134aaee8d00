"""Layouts in the estimate: what a provider may cache over rows and over a row's calls, counted on real prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine.sampling import sample_input
from rayjob.plan.resolve import Resolved
from rayjob.spec.models import ModelSpec
from rayjob.steps.estimate import StepEstimate, estimate_steps
from rayjob.steps.layouts import LayoutCost, compare_layouts, find_obstacles, in_other_layout, say_cheaper
from rayjob.steps.prompts import common_chars, schema_leads
from tests.shared_data import ROOT

PRICE = "{input_usd_per_mtok: 1, cached_input_usd_per_mtok: 0.1, output_usd_per_mtok: 4}"
OWN = f"{{model: hosted_vllm/some-model, api_base: 'http://localhost:1/v1', price: {PRICE}}}"
NAMES = ["character", "capability", "arbitrate"]


def opened(*overrides: str, model: str = OWN) -> Resolved:
    changes = [f"models.worker={model}", f"models.judge={model}", *overrides]
    return open_spec(str(ROOT / "specs" / "quickstart.yaml"), changes).resolved


@pytest.fixture(scope="module")
def rows() -> Sequence[dict[str, Any]]:
    return sample_input(opened().job).rows[:8]


def estimate(resolved: Resolved, rows: Sequence[dict[str, Any]]) -> dict[str, StepEstimate]:
    return {step.step: step for step in estimate_steps(resolved, NAMES, rows, len(rows))}


def test_in_a_layout_per_step_only_arbitration_repeats_what_the_row_sent_before(rows: Sequence[dict[str, Any]]) -> None:
    steps = estimate(opened(), rows)
    assert steps["character"].again_tokens == steps["capability"].again_tokens == 0
    again = steps["arbitrate (capability)"]
    assert again.again_tokens == again.varying_tokens == steps["capability"].varying_tokens


def test_with_a_shared_prefix_the_second_call_repeats_the_conversation(rows: Sequence[dict[str, Any]]) -> None:
    steps = estimate(opened("layout=shared_prefix"), rows)
    assert steps["character"].again_tokens == 0
    second = steps["capability"]
    assert second.fixed_tokens == steps["character"].fixed_tokens
    assert 15 < second.varying_tokens - second.again_tokens < 90  # the question alone
    assert second.cached_over_calls == len(rows) * second.again_tokens
    assert second.cached_over_rows == len(rows) * second.fixed_tokens


def test_another_judge_has_nothing_cached_of_the_row(rows: Sequence[dict[str, Any]]) -> None:
    other = f"models.judge={OWN.replace('some-model', 'other')}"
    assert estimate(opened(other), rows)["arbitrate (character)"].again_tokens == 0


@pytest.mark.parametrize(
    ("model", "leads"),
    [
        ({"model": "openai/gpt-4.1-mini"}, True),
        ({"model": "openai/gpt-4.1-mini", "structured": "json"}, False),
        ({"model": "openai/m", "api_base": "http://localhost:1/v1", "structured": "schema"}, False),
        ({"model": "offline/lexical"}, False),
    ],
)
def test_where_the_schema_stands_before_the_prompt(model: dict[str, str], leads: bool) -> None:
    assert schema_leads(ModelSpec.model_validate(model)) is leads


@pytest.mark.parametrize("model", ["openai/gpt-4.1-mini", "anthropic/claude-sonnet-4-5"])
def test_nothing_is_promised_where_forms_differ_or_the_cache_ends_at_a_mark(
    model: str, rows: Sequence[dict[str, Any]]
) -> None:
    steps = estimate(opened("layout=shared_prefix", model=f"{{model: {model}}}"), rows)
    assert [step.again_tokens for step in steps.values()] == [0, 0, 0, 0]
    assert [said.partition(":")[0] for said in find_obstacles(opened(model=f"{{model: {model}}}"))] == ["worker"]
    assert find_obstacles(opened()) == []


def test_both_layouts_are_compared_with_the_same_calls(rows: Sequence[dict[str, Any]]) -> None:
    resolved = opened()
    steps = [replace(step, calls=100) for step in estimate(resolved, rows).values()]
    own, shared = compare_layouts(resolved, steps, rows)
    assert (own.layout, shared.layout) == ("per_step", "shared_prefix")
    assert own.prompt_tokens == sum(step.prompt_tokens for step in steps)
    assert own.full_usd == pytest.approx((own.prompt_tokens + 4 * sum(step.answer_tokens for step in steps)) / 1e6)
    hits = own.cached_over_rows + own.cached_over_calls
    assert own.full_usd - own.cached_usd == pytest.approx(0.9 * hits / 1e6)
    assert shared.full_usd > own.full_usd
    other = in_other_layout(resolved)
    assert other is not None
    back = in_other_layout(other)
    assert back is not None
    assert back.job == resolved.job


def test_prompts_without_a_second_layout_are_shown_alone(tmp_path: Any, rows: Sequence[dict[str, Any]]) -> None:
    (tmp_path / "one.j2").write_text("{{ transcript }}")
    resolved = opened(f"steps.1.label.prompt={tmp_path}/one.j2")
    assert in_other_layout(resolved) is None
    assert [cost.layout for cost in compare_layouts(resolved, [], rows)] == ["per_step"]


def cost(layout: str, full: float, cached: float) -> LayoutCost:
    return LayoutCost(layout, 100, 50, 10, full, cached)


def test_the_cheaper_layout_is_named_with_and_without_a_cache() -> None:
    assert say_cheaper([cost("per_step", 1, 0.9), cost("shared_prefix", 2, 0.5)]) == (
        "cheaper on this input: layout shared_prefix where the provider caches, per_step where it does not"
    )
    assert say_cheaper([cost("per_step", 1, 0.4), cost("shared_prefix", 2, 0.5)]).endswith("caches or not")


@pytest.mark.parametrize(
    ("one", "other", "chars"), [("", "a", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("ab", "abc", 2)]
)
def test_texts_are_compared_to_the_first_difference(one: str, other: str, chars: int) -> None:
    assert common_chars(one, other) == common_chars(other, one) == chars
