"""Runs a command in this process and gives what it printed."""

from __future__ import annotations

from dataclasses import dataclass

from typer.testing import CliRunner

from rayjob.cli.app import app


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def call(*arguments: str) -> Done:
    """`call("validate", "spec.yaml")`; an error that is our own bug is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
