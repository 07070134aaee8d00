"""`rayjob watch RUN`: the live display of a run from another terminal or machine, until it ends or Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from rayjob.cli.status import RUN

if TYPE_CHECKING:
    from rayjob.cli.live import LiveDisplay
    from rayjob.reports.run_files import RunReader


def watch(
    run: str = RUN,
    every: float = typer.Option(2.0, "--every", min=0.2, help="Seconds between two looks at the folder."),
) -> None:
    """Follow RUN until it ends. Ctrl-C stops watching; the run itself goes on."""
    from rayjob.cli.live import Ending, LiveDisplay, summarise
    from rayjob.cli.style import console
    from rayjob.reports.run_files import RunReader

    reader = RunReader(run)
    with LiveDisplay(console) as display:
        try:
            follow(reader, display, lambda: time.sleep(every))
        except KeyboardInterrupt:
            display.console.print("stopped watching; the run goes on", style="dim")
    view = reader.poll(time.time())
    if view.is_over:
        console.print(summarise(Ending(view, run, reader.problems())))


def follow(reader: RunReader, display: LiveDisplay, wait: Callable[[], None]) -> None:
    """Show the run again and again until it is over."""
    while True:
        view = reader.poll(time.time())
        display.show(view)
        if view.is_over:
            return
        wait()
