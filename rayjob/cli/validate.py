"""`rayjob validate SPEC`: every problem of a spec at once, without running anything."""

from __future__ import annotations

import typer

from rayjob.cli.run import SET, SPEC
from rayjob.cli.specs import open_spec


def validate(spec: str = SPEC, overrides: list[str] = SET) -> None:
    """Check SPEC and everything it names; exit 2 with every problem, or say that it is fine."""
    opened = open_spec(spec, overrides or [])
    job = opened.resolved.job
    tags = sum(len(dimension.tags) for dimension in opened.resolved.taxonomy.dimensions.values())
    dimensions = len(opened.resolved.dimensions())
    for step in opened.plan.dropped:
        typer.echo(f"left out: {step.name} (no step reads {', '.join(step.writes)})")
    typer.echo(f"{spec}: fine ({job.name}: {len(job.steps)} steps, {dimensions} dimensions labelled, {tags} tags)")
