"""`rayjob run SPEC`: run the job, show its progress, say where things are. Ctrl-C once stops cleanly, twice at once."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from rayjob.cli.specs import Opened, open_spec
from rayjob.cli.witness import run_witnessed

if TYPE_CHECKING:
    from rayjob.engine.run import Run, RunOutcome
    from rayjob.plan.resolve import Resolved

SPEC = typer.Argument(..., metavar="SPEC", help="The spec: a YAML file, local or s3://.")
SET = typer.Option(None, "--set", metavar="A.B=YAML", help="Override a value of the spec; repeatable.")

#: Stopped, and the same command goes on.
EXIT_RESUMABLE = 3
#: The second interrupt.
EXIT_AT_ONCE = 130
#: `timeout` and some schedulers signal the process and then its whole group: that is one interrupt, not two.
SAME_INTERRUPT_S = 0.5


class UserError(Exception):
    """Something the user must set before a run can begin."""


def run(
    spec: str = SPEC,
    overrides: list[str] = SET,
    output: str = typer.Option("", "--output", help="Write here instead of the spec's output."),
    limit: int | None = typer.Option(None, "--limit", min=1, help="Read only the first N records."),
    sample: float | None = typer.Option(
        None, "--sample", min=0.0, max=1.0, help="Take this share of the records, always the same."
    ),
    resume: str = typer.Option("", "--resume", help="`changed`: label anew in a folder that another spec made."),
) -> None:
    """Label the input of SPEC. The same command goes on where a stopped or killed run ended, and pays nothing twice."""
    sets = list(overrides or [])
    sets += [output_at(output)] if output else []
    sets += [f"input.limit={limit}"] if limit is not None else []
    sets += [f"input.sample={sample}"] if sample is not None else []
    if resume not in ("", "changed"):
        raise UserError(f"--resume takes 'changed', found '{resume}'; without it a run goes on by itself")

    def work() -> int:
        return start(open_spec(spec, sets), resume_changed=resume == "changed")

    raise typer.Exit(run_witnessed(work, lambda code: say_lost(open_spec(spec, sets).resolved.job.output.path, code)))


def output_at(path: str) -> str:
    """An override that writes to a path given on the command line: relative to where we are, not to the spec."""
    return f"output.path={json.dumps(path if '://' in path else os.path.abspath(path), ensure_ascii=False)}"


def start(
    opened: Opened, *, resume_changed: bool = False, redo: tuple[str, ...] = (), recorded: Resolved | None = None
) -> int:
    """Run an opened spec with the live display; returns the exit code. `recorded`: see RunRequest."""
    from rayjob.cli.live import LiveDisplay
    from rayjob.cli.style import can_redraw, console

    secrets = find_secrets(opened)
    hush_native_code()
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # or a stage that was abandoned starts a Ray as this one ends
    with LiveDisplay(console) as display:
        console.print(f"{opened.resolved.job.name}: loading", style="dim") if not can_redraw(console) else None
        from rayjob.engine.run import Run, RunRequest

        request = RunRequest(opened.resolved, opened.plan, secrets, resume_changed, display.show, redo, recorded)
        session = Run(request)
        with stopping_cleanly(session):
            outcome = session.execute()
    say_ending(session, outcome)
    return outcome.exit_code


def say_lost(path: str, code: int) -> int:
    """The last words of a driver that could not say them, on the terminal and in the folder; returns the exit code."""
    from rayjob.cli.style import console, errors
    from rayjob.engine.manifest import mark_interrupted

    why = "its Ray node is gone"  # Ray ends the driver itself then, with 1
    if code < 0:
        why = f"killed by {signal.Signals(-code).name}"
    elif code == EXIT_AT_ONCE:
        why = "at the second interrupt"
    console.show_cursor(True)  # the live display hides it
    mark_interrupted(path, why)
    errors.print(f"interrupted ({why}); what was finished is committed; the same command goes on", markup=False)
    return EXIT_AT_ONCE if code == EXIT_AT_ONCE else EXIT_RESUMABLE


def hush_native_code() -> None:
    """Ray's C++ side writes to descriptor 2 past Python, which gets one of its own. RAYJOB_DEBUG=1 shows all."""
    if os.environ.get("RAYJOB_DEBUG") == "1":
        return
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def find_secrets(opened: Opened) -> dict[str, str]:
    """The values of the variables that the used models name. Raises UserError naming every one that is not set."""
    used = {name for step in opened.plan.steps() for name in step.models}
    names = {
        model.api_key_env: name
        for name, model in opened.resolved.job.models.items()
        if model.api_key_env and (name in used or not used)
    }
    missing = [
        f"{variable} (models.{model}.api_key_env)"
        for variable, model in sorted(names.items())
        if not os.environ.get(variable)
    ]
    if missing:
        raise UserError("these variables hold keys and are not set: " + ", ".join(missing))
    return {variable: os.environ[variable] for variable in names}


@contextmanager
def stopping_cleanly(session: Run) -> Iterator[None]:
    """SIGINT and SIGTERM: the first asks the run to end, the second ends the process at once."""
    asked_at: float | None = None

    def handle(number: int, frame: Any) -> None:
        nonlocal asked_at
        if asked_at is None:
            asked_at = time.monotonic()
            session.interrupt()
        elif time.monotonic() - asked_at > SAME_INTERRUPT_S:
            os._exit(EXIT_AT_ONCE)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def say_ending(session: Run, outcome: RunOutcome) -> None:
    """Where things are, and the three most frequent problems."""
    from rayjob.cli.live import Ending, summarise
    from rayjob.cli.style import console
    from rayjob.reports.run_files import read_problems

    message = ""
    if outcome.status == "stopped":
        message = f"stopped ({outcome.why}); everything finished is committed; the same command goes on"
    console.print(summarise(Ending(session.log.view(), outcome.path, read_problems(outcome.path), message)))
