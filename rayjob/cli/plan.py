"""`rayjob plan SPEC`: the graph, and the calls, tokens, dollars and time of the whole input. Calls no provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from rayjob.cli.run import SET, SPEC
from rayjob.cli.specs import Opened, open_spec
from rayjob.plan.show import show_mermaid, show_tree

if TYPE_CHECKING:
    from rich.table import Table

    from rayjob.engine.sampling import InputSample
    from rayjob.steps.estimate import ModelTime, StepEstimate


def plan(
    spec: str = SPEC,
    overrides: list[str] = SET,
    mermaid: bool = typer.Option(False, "--mermaid", help="Print the graph as a Mermaid flowchart and nothing else."),
    graph_only: bool = typer.Option(False, "--graph", help="Print the graph and nothing else; the input is not read."),
    latency_s: float = typer.Option(4.0, "--latency", min=0.0, help="Seconds a provider's answer is assumed to take."),
) -> None:
    """Show what SPEC compiles to and estimate calls, tokens, cost and time from a real sample of its input."""
    opened = open_spec(spec, overrides or [])
    if mermaid:
        typer.echo(show_mermaid(opened.plan))
        return
    typer.echo(show_tree(opened.plan, opened.resolved))
    if not graph_only:
        _estimate(opened, latency_s)


def _estimate(opened: Opened, latency_s: float) -> None:
    from rayjob.cli.style import console
    from rayjob.engine.sampling import sample_input
    from rayjob.steps.estimate import estimate_steps, estimate_times, with_calls
    from rayjob.steps.estimate_generate import estimate_generating
    from rayjob.steps.estimate_spread import estimate_embedding, find_asked
    from rayjob.steps.rehearse import can_rehearse, rehearse

    resolved = opened.resolved
    sample = sample_input(resolved.job)
    console.print(f"\ninput: {sample.describe()}", markup=False)
    names = [step.name for step in opened.plan.steps() if step.kind in ("label", "arbitrate", "map")]
    steps = estimate_steps(resolved, names, sample.rows, sample.asked)
    models = list(dict.fromkeys(step.model for step in steps))
    asked = find_asked(resolved.job, sample.asked)
    if asked is not None:
        console.print(asked.describe(), markup=False)
        steps = asked.scale(steps)
    elif sample.exact and can_rehearse(resolved, names, models, len(sample.rows)):
        steps = with_calls(steps, rehearse(resolved, names, sample.rows))
    everything = [
        *estimate_embedding(resolved, sample.rows, sample.asked),
        *estimate_generating(resolved, sample.rows, sample.asked),
        *steps,
    ]
    if not everything:
        return
    console.print(_steps_table(everything, opened))
    console.print(_summary(everything, opened, sample), markup=False)
    if steps:
        _print_layouts(steps, opened, sample)
    for time in estimate_times(resolved, everything, latency_s):
        console.print(_time_line(time), markup=False)


def _steps_table(steps: list[StepEstimate], opened: Opened) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("step", "model", "calls", "fixed", "varying", "answer", "prompt tokens", "USD", ""):
        table.add_column(title, justify="left" if title in ("step", "model", "") else "right")
    for step in steps:
        spec = opened.resolved.job.models[step.model]
        table.add_row(
            step.step, step.model, f"{step.calls:,.0f}", f"{step.fixed_tokens:,}", f"~{step.varying_tokens:,}",
            f"~{step.completion_tokens}", f"{step.prompt_tokens:,.0f}", f"{step.cost_usd(spec, cached=False):,.2f}",
            step.assumed,
        )  # fmt: skip
    return table


def _summary(steps: list[StepEstimate], opened: Opened, sample: InputSample) -> str:
    from rayjob.llm.prices import prices_of

    models = opened.resolved.job.models
    full = sum(step.cost_usd(models[step.model], cached=False) for step in steps)
    cached = sum(step.cost_usd(models[step.model], cached=True) for step in steps)
    prompt = sum(step.prompt_tokens for step in steps)
    fixed = sum(step.calls * step.fixed_tokens for step in steps)
    calls = sum(step.calls for step in steps)
    sure = sum(step.calls for step in steps if not step.assumed.endswith("assumed"))
    told = f"calls: {calls:,.0f}" + (f" ({sure:,.0f} for labels, {calls - sure:,.0f} assumed)" if calls > sure else "")
    unknown = sorted({step.model for step in steps if not prices_of(models[step.model]).known})
    price = f"; no price known for {', '.join(unknown)} (set models.NAME.price)" if unknown else ""
    share = fixed / prompt if prompt else 0.0
    return (
        f"{told}\ntokens: {prompt:,.0f} in ({share:.0%} of it a fixed prefix), "
        f"{sum(step.answer_tokens for step in steps):,.0f} out\n"
        f"cost: ${full:,.2f}, or ${cached:,.2f} where the provider caches the prefix{price}"
    )


def _print_layouts(steps: list[StepEstimate], opened: Opened, sample: InputSample) -> None:
    from rich.table import Table

    from rayjob.cli.style import console
    from rayjob.steps.layouts import compare_layouts, find_obstacles, say_cheaper

    costs = compare_layouts(opened.resolved, steps, sample.rows)
    table = Table(box=None, pad_edge=False)
    for title in ("layout", "prompt tokens", "cached: over rows", "over a row's calls", "USD", "USD cached"):
        table.add_column(title, justify="left" if title == "layout" else "right")
    for cost in costs:
        table.add_row(
            cost.layout, f"{cost.prompt_tokens:,.0f}", f"{cost.cached_over_rows:,.0f}",
            f"{cost.cached_over_calls:,.0f}", f"{cost.full_usd:,.2f}", f"{cost.cached_usd:,.2f}",
        )  # fmt: skip
    console.print(table)
    if len(costs) > 1:
        for line in (say_cheaper(costs), *find_obstacles(opened.resolved)):
            console.print(line, markup=False)


def _time_line(time: ModelTime) -> str:
    last = "CPU" if time.is_offline else "concurrency"
    parts: list[Any] = [("rpm", time.by_rpm), ("tpm", time.by_tpm), (last, time.by_answers)]
    told = ", ".join(f"{name} {_say_length(value)}" for name, value in parts if value is not None)
    each = f"{1000 * time.answer_s:g} ms of one process" if time.is_offline else f"{time.answer_s:g} s"
    return f"time of {time.model}: {_say_length(time.seconds)} ({told}; at {each} an answer)"


def _say_length(seconds: float) -> str:
    from rayjob.reports.wording import say_s

    return say_s(seconds) if seconds >= 1 else "less than 1 s"
