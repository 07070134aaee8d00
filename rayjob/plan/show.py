"""The plan as text: a tree for terminals, Mermaid for documents. Prints the same twice."""

from __future__ import annotations

from collections.abc import Iterator

from rayjob.plan.graph import Operator, Plan, PlannedStep
from rayjob.plan.resolve import Resolved
from rayjob.spec.label import LabelStep
from rayjob.spec.spread import AskStep, PropagateStep, RepresentStep

RUNS = {"cpu": "CPU tasks", "llm": "async LLM actors", "gpu": "GPU actors (CPU where there is none)"}


def show_tree(plan: Plan, resolved: Resolved) -> str:
    """Stages, operators and steps as a tree, with what each runs on and which model it calls."""
    lines = [f"{plan.job}  (plan {plan.hash()[:12]})"]
    for position, stage in enumerate(plan.stages):
        last = position == len(plan.stages) - 1
        lines.append(f"{'└─' if last else '├─'} stage {stage.name}")
        bar = "   " if last else "│  "
        for place, operator in enumerate(stage.operators):
            end = place == len(stage.operators) - 1
            lines.append(f"{bar}{'└─' if end else '├─'} {_operator(operator)}")
            inner = bar + ("   " if end else "│  ")
            for index, step in enumerate(operator.steps):
                branch = "└─" if index == len(operator.steps) - 1 else "├─"
                lines.append(f"{inner}{branch} {_step(step, resolved)}")
    lines += [f"left out: {step.name} (no step reads {', '.join(step.writes)})" for step in plan.dropped]
    return "\n".join(lines)


def _operator(operator: Operator) -> str:
    scope = "row by row" if operator.scope == "row" else "whole table"
    return f"{RUNS[operator.resource]}, {scope}"


def _step(step: PlannedStep, resolved: Resolved) -> str:
    models = ", ".join(
        f"{name} = {resolved.job.models[name].model}" for name in step.models if name in resolved.job.models
    )
    what = _settings(step, resolved)
    kind = step.kind if step.kind != step.name else ""
    return "  ".join(part for part in (step.name, f"[{kind}]" if kind else "", what, models) if part)


def _settings(step: PlannedStep, resolved: Resolved) -> str:
    """What decides how much a step does."""
    settings = next((given.settings for given in resolved.job.steps if given.name == step.name), None)
    if isinstance(settings, LabelStep):
        return ", ".join(settings.dimensions)
    if isinstance(settings, RepresentStep):
        return _budget(settings)
    if isinstance(settings, AskStep):
        return f"from {settings.source}"
    if isinstance(settings, PropagateStep):
        return f"accepted at {settings.precision:.0%} precision, the rest: {settings.otherwise}"
    return ""


def _budget(settings: RepresentStep) -> str:
    budget = settings.budget
    bought = f"{budget:.4g} labels" if budget >= 1 else f"labels for {100 * budget:.4g} % of the rows"
    audit = "" if settings.audit_share is None else f", {100 * settings.audit_share:.4g} % of them audit"
    return bought + audit + (f", in {settings.rounds} rounds" if settings.rounds and settings.rounds > 1 else "")


def show_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart: a subgraph a stage, an edge for every column one step gives another."""
    lines = ["flowchart LR"]
    for number, stage in enumerate(plan.stages, 1):
        lines.append(f'  subgraph s{number}["stage {stage.name}"]')
        lines += [f'    {_node(step)}["{step.name}<br/>{step.resource}"]' for step in stage.steps()]
        lines.append("  end")
    lines += [f"  {_node(a)} -->|{columns}| {_node(b)}" for a, b, columns in edges(plan)]
    return "\n".join(lines)


def _node(step: PlannedStep) -> str:
    return "n" + "".join(letter if letter.isalnum() else "_" for letter in step.name)


def edges(plan: Plan) -> Iterator[tuple[PlannedStep, PlannedStep, str]]:
    """(writer, reader, columns) for every pair of steps that share columns; label columns without their prefix."""
    steps = list(plan.steps())
    for writer in steps:
        for reader in steps:
            shared = [column.removeprefix("labels.") for column in reader.reads if column in writer.writes]
            if shared and reader is not writer:
                text = ", ".join(shared[:3]) + (f" +{len(shared) - 3}" if len(shared) > 3 else "")
                yield writer, reader, text
