"""What a plan will ask, measured by rendering its prompts for a real sample of the input. Calls no model that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayjob.llm.limits import limit_key
from rayjob.llm.prices import prices_of
from rayjob.plan.resolve import Resolved
from rayjob.spec.label import ArbitrateStep, LabelStep, MajorityOf, MapStep
from rayjob.spec.model import Step
from rayjob.spec.models import ModelSpec
from rayjob.steps.label import Label
from rayjob.steps.prompts import Prompts, count_again, render_prompts

Row = dict[str, Any]

#: Assumed where only a run can tell; `rayjob plan` says so beside the numbers.
ARBITRATED_SHARE = 0.10
UNMAPPED_SHARE = 0.05
TOKENS_A_DIMENSION = 19
TOKENS_A_MAPPING = (600, 30)
LATENCY_S = 4.0
#: An offline model answers in its actor's event loop, one question after the other: 3.5 ms of CPU (LiteLLM's part in it
#: 2.5), 5.4 ms in a run of 2,000 rows on two busy cores.
OFFLINE_S = 0.005
#: Providers that cache prompts do so from about this many shared tokens on.
CACHED_FROM_TOKENS = 1_024


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """One LLM step over the whole input: prompt tokens split into what every row shares and what varies.

    `again_tokens`: of the varying ones, those that an earlier call of the same row to the same model began with.
    """

    step: str
    model: str
    calls: float
    fixed_tokens: int
    varying_tokens: int
    completion_tokens: int
    assumed: str = ""
    again_tokens: int = 0

    @property
    def prompt_tokens(self) -> float:
        """Of all calls."""
        return self.calls * (self.fixed_tokens + self.varying_tokens)

    @property
    def answer_tokens(self) -> float:
        """Of all calls."""
        return self.calls * self.completion_tokens

    @property
    def cached_over_rows(self) -> float:
        """Prompt tokens of all calls that a provider may have cached for another row."""
        return self.calls * self._fixed_hits

    @property
    def cached_over_calls(self) -> float:
        """Those that it may have cached for an earlier call of the same row, beyond `cached_over_rows`."""
        return self.calls * self._again_hits

    @property
    def _fixed_hits(self) -> int:
        return self.fixed_tokens if self.fixed_tokens >= CACHED_FROM_TOKENS else 0

    @property
    def _again_hits(self) -> int:
        both = self.fixed_tokens + self.again_tokens
        return both - self._fixed_hits if self.again_tokens and both >= CACHED_FROM_TOKENS else 0

    def cost_usd(self, spec: ModelSpec, cached: bool) -> float:
        """Dollars; `cached`: what was sent before at the provider's price for cached tokens, after the first call."""
        prices = prices_of(spec)
        hits = self._fixed_hits + self._again_hits if cached else 0
        per_call = prices.cost(self.fixed_tokens + self.varying_tokens, hits, self.completion_tokens)
        return self.calls * per_call


@dataclass(frozen=True, slots=True)
class ModelTime:
    """How long one model's calls take by each of its limits, seconds; the longest counts."""

    model: str
    calls: float
    by_rpm: float | None
    by_tpm: float | None
    by_answers: float  # at `answer_s` each, as many at once as its concurrency; offline: one after the other
    answer_s: float
    is_offline: bool

    @property
    def seconds(self) -> float:
        """The estimate."""
        return max(self.by_rpm or 0.0, self.by_tpm or 0.0, self.by_answers)


def estimate_steps(resolved: Resolved, names: Sequence[str], rows: Sequence[Row], total: float) -> list[StepEstimate]:
    """An estimate for each LLM step in `names`; `rows`: a sample of prepared rows, `total`: how many in all."""
    good = [row for row in rows if not row.get("failure")]
    share = len(good) / len(rows) if rows else 0.0
    by_name = {step.name: step for step in resolved.job.steps}
    prompts = {
        step.name: render_prompts(
            Label(step.name, step.settings, resolved.taxonomy, resolved.templates[step.name]), good
        )
        for step in resolved.job.steps_of("label")
        if isinstance(step.settings, LabelStep)
    }
    found: list[StepEstimate] = []
    for position, name in enumerate(names):
        earlier = [prompts[other] for other in names[:position] if other in prompts]
        found.extend(_estimate(by_name[name], resolved.job.models, prompts, earlier, total * share))
    return found


def _estimate(
    step: Step,
    models: Mapping[str, ModelSpec],
    prompts: Mapping[str, Prompts],
    earlier: Sequence[Prompts],
    total: float,
) -> Iterable[StepEstimate]:
    settings = step.settings
    if isinstance(settings, LabelStep):
        mine, calls = prompts[step.name], total * settings.samples
        answer = TOKENS_A_DIMENSION * len(settings.dimensions) + 6
        for model in settings.models:
            again = count_again(mine, _asked_of(models[model], earlier, models), models[model])
            yield StepEstimate(step.name, model, calls, mine.fixed_tokens, mine.varying_tokens, answer, "", again)
    elif isinstance(settings, ArbitrateStep):
        times = settings.accept.majority_of - 1 if isinstance(settings.accept, MajorityOf) else 1
        for mine in prompts.values():
            model = settings.model or mine.label.spec.model
            again = count_again(mine, _asked_of(models[model], earlier, models), models[model])
            answer = TOKENS_A_DIMENSION + 6
            assumed = f"{ARBITRATED_SHARE:.0%} of rows assumed"
            name, calls = f"{step.name} ({mine.label.name})", total * ARBITRATED_SHARE * times
            yield StepEstimate(name, model, calls, mine.fixed_tokens, mine.varying_tokens, answer, assumed, again)
    elif isinstance(settings, MapStep):
        prompt, answer = TOKENS_A_MAPPING
        assumed = f"{UNMAPPED_SHARE:.0%} of rows assumed"
        yield StepEstimate(step.name, settings.unmapped_with, total * UNMAPPED_SHARE, 0, prompt, answer, assumed)


def with_calls(steps: Sequence[StepEstimate], calls: Mapping[tuple[str, str], int]) -> list[StepEstimate]:
    """The estimates with calls that were counted in a rehearsal; an assumed step's are spread over its parts."""
    found: list[StepEstimate] = []
    left = dict(calls)
    for step in steps:
        name = step.step.partition(" (")[0]
        parts = [other for other in steps if other.step.partition(" (")[0] == name and other.model == step.model]
        share = left.get((name, step.model), 0)
        count = share if step is parts[-1] else share // len(parts)
        left[name, step.model] = share - count
        found.append(replace(step, calls=count, assumed="rehearsed" if step.assumed else ""))
    return found


def _asked_of(spec: ModelSpec, earlier: Sequence[Prompts], models: Mapping[str, ModelSpec]) -> list[Prompts]:
    """Those prompts that went to the same model at the same place, whatever the spec calls it."""
    return [
        prompts
        for prompts in earlier
        if limit_key(spec) in [limit_key(models[name]) for name in prompts.label.spec.models]
    ]


def estimate_times(resolved: Resolved, steps: Sequence[StepEstimate], latency_s: float = LATENCY_S) -> list[ModelTime]:
    """For each model, what its rpm, tpm and concurrency make of its calls. `latency_s`: of a provider's answer."""
    times: list[ModelTime] = []
    for name in dict.fromkeys(step.model for step in steps):
        spec = resolved.job.models[name]
        limits = spec.limits
        answer_s, at_once = (OFFLINE_S, 1) if spec.is_offline else (latency_s, limits.concurrency)
        mine = [step for step in steps if step.model == name]
        calls = sum(step.calls for step in mine)
        tokens = sum(step.prompt_tokens + step.answer_tokens for step in mine)
        times.append(
            ModelTime(
                name,
                calls,
                60 * calls / limits.rpm if limits.rpm else None,
                60 * tokens / limits.tpm if limits.tpm else None,
                calls * answer_s / at_once,
                answer_s,
                spec.is_offline,
            )
        )
    return times
