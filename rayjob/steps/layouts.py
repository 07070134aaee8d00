"""Which layout of the prompts costs less on an input: the same steps under both, added up. Calls nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayjob.llm.via_litellm import caches_when_told
from rayjob.plan.reading import prompt_file
from rayjob.plan.resolve import Resolved, resolve_texts
from rayjob.spec.label import LabelStep
from rayjob.spec.models import ModelSpec
from rayjob.steps.estimate import StepEstimate, estimate_steps
from rayjob.steps.prompts import schema_leads

LAYOUTS = ("per_step", "shared_prefix")


@dataclass(frozen=True, slots=True)
class LayoutCost:
    """One layout over the whole input: prompt tokens, those a provider may have cached, and dollars."""

    layout: str
    prompt_tokens: float
    cached_over_rows: float
    cached_over_calls: float
    full_usd: float
    cached_usd: float

    @property
    def fresh_tokens(self) -> float:
        """Prompt tokens at the full price where the provider caches."""
        return self.prompt_tokens - self.cached_over_rows - self.cached_over_calls


def cost_layout(layout: str, steps: Sequence[StepEstimate], models: Mapping[str, ModelSpec]) -> LayoutCost:
    """The sums over the LLM steps."""
    return LayoutCost(
        layout,
        sum(step.prompt_tokens for step in steps),
        sum(step.cached_over_rows for step in steps),
        sum(step.cached_over_calls for step in steps),
        sum(step.cost_usd(models[step.model], cached=False) for step in steps),
        sum(step.cost_usd(models[step.model], cached=True) for step in steps),
    )


def in_other_layout(resolved: Resolved) -> Resolved | None:
    """The same job under the layout that it does not use; None where its folders hold no such prompts."""
    other = LAYOUTS[1 - LAYOUTS.index(resolved.job.layout)]
    job = resolved.job.model_copy(update={"layout": other})
    labels = [step for step in job.steps if isinstance(step.settings, LabelStep)]
    for step in labels:
        folder, _, name = (prompt_file(step, other) or "").rpartition("/")
        if name not in resolved.texts.prompts.get(folder, {}):
            return None
    return resolve_texts(job, resolved.texts) if labels else None


def compare_layouts(
    resolved: Resolved, steps: Sequence[StepEstimate], rows: Sequence[dict[str, Any]]
) -> list[LayoutCost]:
    """The layout in use, then the other one where there is one, asked as often as `steps` (the estimate) says.

    rows: the sample of prepared rows that the estimate was made of.
    """
    models = resolved.job.models
    costs = [cost_layout(resolved.job.layout, steps, models)]
    other = in_other_layout(resolved)
    if other is not None:
        names = list(dict.fromkeys(step.step.partition(" (")[0] for step in steps))
        measured = estimate_steps(other, names, rows, len(rows))
        asked = [replace(there, calls=here.calls) for there, here in zip(measured, steps, strict=True)]
        costs.append(cost_layout(other.job.layout, asked, models))
    return costs


def say_cheaper(costs: Sequence[LayoutCost]) -> str:
    """One sentence: which layout is cheaper with a caching provider, and which without; by tokens if nothing costs."""
    priced = any(cost.full_usd for cost in costs)
    cached = min(costs, key=lambda cost: cost.cached_usd if priced else cost.fresh_tokens)
    full = min(costs, key=lambda cost: cost.full_usd if priced else cost.prompt_tokens)
    what = "cheaper" if priced else "fewer tokens that are not cached"
    if cached.layout == full.layout:
        return f"{what} on this input: layout {cached.layout}, whether the provider caches or not"
    return f"{what} on this input: layout {cached.layout} where the provider caches, {full.layout} where it does not"


def find_obstacles(resolved: Resolved) -> list[str]:
    """Why a row's calls share no conversation at a model, one sentence each: the models of the label steps."""
    found = []
    labels = [step.settings for step in resolved.job.steps if isinstance(step.settings, LabelStep)]
    for name in dict.fromkeys(name for label in labels for name in label.models):
        spec = resolved.job.models[name]
        if caches_when_told(spec.model):
            found.append(
                f"{name}: its cache ends at the mark before the conversation; the calls of a row share no more"
            )
        elif schema_leads(spec):
            found.append(
                f"{name}: the schema of the answer may stand before the prompt and differs from call to call; "
                f"with models.{name}.structured=json the calls of a row share the conversation"
            )
    return found
