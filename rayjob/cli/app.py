"""The table of commands, and what every command does with an error: say it, and choose the exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from rayjob import __version__
from rayjob.spec.base import SpecError
from rayjob.spec.wording import unknown

#: The user must fix something.
EXIT_FIX = 2
#: Ctrl-C outside of a run.
EXIT_INTERRUPTED = 130

#: Every command, in the order of a user's day: where it stands, and a line about it. Its module is imported when it
#: is called, not before: `validate` answers before numpy would be loaded.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": (
        "rayjob.cli.init:init",
        "Make a folder with a spec, a taxonomy, prompts and examples that run as they are.",
    ),
    "validate": ("rayjob.cli.validate:validate", "Check a spec and everything it names."),
    "plan": ("rayjob.cli.plan:plan", "Show the graph of a spec, and what its input will cost."),
    "run": ("rayjob.cli.run:run", "Run a spec, or go on where it stopped."),
    "status": ("rayjob.cli.status:status", "Show how far a run is."),
    "watch": ("rayjob.cli.watch:watch", "Follow a run until it ends."),
    "retry": ("rayjob.cli.retry:retry", "Label failed rows of a run again."),
    "compare": ("rayjob.cli.compare:compare", "Compare the labels of runs."),
    "review": ("rayjob.cli.review:app", "Give rows to human reviewers and take their answers back."),
    "gold": ("rayjob.cli.gold:app", "Labels that can be trusted, and runs measured against them."),
    "calibrate": ("rayjob.cli.calibrate:calibrate", "Make confidence honest and find thresholds that keep a promise."),
    "taxonomy": ("rayjob.cli.taxonomy:app", "Check a taxonomy."),
    "ledger": ("rayjob.cli.ledger:app", "List, export, prune and compact paid answers."),
    "schema": ("rayjob.cli.schema:schema", "Print the JSON Schema of specs, for editors."),
}


class Commands(TyperGroup):
    """Finds commands when they are called; an error that a person can act on becomes its text and exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; where there is none, the one that may have been meant is said."""
        if cmd_name not in COMMANDS:
            ctx.fail(unknown("command", cmd_name, COMMANDS))
        return load_command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table in `--help`, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before or after a run, which handles its own
            sys.exit(EXIT_INTERRUPTED)
        except SpecError as error:
            self._say(f"{len(error.problems)} problem{'s' if len(error.problems) != 1 else ''}:\n{error}")
        except Exception as error:  # told by its name: importing our own classes would load Ray and torch
            if not is_for_the_user(error):
                raise
            self._say(str(error))
        sys.exit(EXIT_FIX)

    @staticmethod
    def _say(text: str) -> None:
        from rayjob.cli.style import errors

        errors.print(text, markup=False, style="bad")


def load_command(name: str) -> Any:
    """Import one command of the table: a function, or a Typer app with commands of its own."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    table = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    table.callback()(lambda: None)  # with a callback typer keeps a group of one command a group
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        table.add_typer(found, name=name)
    else:
        table.command(name)(found)
    group: Any = typer.main.get_command(table)
    return group.commands[name]


def is_for_the_user(error: Exception) -> bool:
    """Whether an error's text is written for the user: one of ours, by name, so that nothing heavy is imported."""
    return any(kind.__name__ in FOR_THE_USER for kind in type(error).__mro__)


FOR_THE_USER = {
    "SpecError", "StoreError", "ChangedSpecError", "MissingKeyError", "SpreadError", "ChoiceError", "UserError",
    "ReportError", "ClusterError", "BusyError",
}  # fmt: skip

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Labels LLM training conversations from one YAML spec, as one Ray Data job."""
    if version:
        typer.echo(f"rayjob {__version__}")
        raise typer.Exit
