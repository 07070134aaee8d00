"""The table of commands, and what every command does with an error: say it, and choose the exit code."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from rayjob import __version__
from rayjob.spec.base import SpecError

#: The user must fix something.
EXIT_FIX = 2


class Commands(TyperGroup):
    """Turns the errors that a person can act on into their text and exit code 2, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SpecError as error:
            self._say(f"{len(error.problems)} problem{'s' if len(error.problems) != 1 else ''}:\n{error}")
        except Exception as error:
            if not is_for_the_user(error):
                raise
            self._say(str(error))
        sys.exit(EXIT_FIX)

    @staticmethod
    def _say(text: str) -> None:
        from rayjob.cli.style import errors

        errors.print(text, markup=False, style="bad")


def is_for_the_user(error: Exception) -> bool:
    """Whether an error's text is written for the user: one of ours, by name, so that nothing heavy is imported."""
    return any(kind.__name__ in FOR_THE_USER for kind in type(error).__mro__)


FOR_THE_USER = {
    "SpecError", "StoreError", "ChangedSpecError", "MissingKeyError", "SpreadError", "ChoiceError", "UserError",
    "ReportError",
}  # fmt: skip

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Labels LLM training conversations from one YAML spec, as one Ray Data job.",
)  # fmt: skip


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Labels LLM training conversations from one YAML spec, as one Ray Data job."""
    if version:
        typer.echo(f"rayjob {__version__}")
        raise typer.Exit


def register() -> None:
    """Put every command on the app, in the order of a user's day."""
    from rayjob.cli import plan, run, schema, validate

    for function in (validate.validate, plan.plan, run.run, schema.schema):
        app.command()(function)


register()
