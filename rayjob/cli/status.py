"""`rayjob status RUN`: how far a run is, once, from its output folder alone."""

from __future__ import annotations

import time

import typer

RUN = typer.Argument(..., metavar="RUN", help="The run's output folder, local or s3://.")


def status(run: str = RUN) -> None:
    """Show how far RUN is: progress, rates, cost, time left, limits, errors. Its folder is all that is needed."""
    from rayjob.cli.live import Ending, draw, summarise
    from rayjob.cli.style import console
    from rayjob.reports.run_files import RunReader

    reader = RunReader(run)
    view = reader.poll(time.time())
    console.print(summarise(Ending(view, run, reader.problems())) if view.is_over else draw(view))
