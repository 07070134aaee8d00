"""Stages beyond preparing and labelling, each by the module that runs its kind of step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayjob.engine.choosing import Choosing
from rayjob.engine.spreading import Spreading
from rayjob.plan.graph import Stage
from rayjob.spec.base import Problem, SpecError
from rayjob.vectors.check import SpreadError

if TYPE_CHECKING:
    from rayjob.engine.run import Run


def run_table_stage(run: Run, stage: Stage) -> None:
    """Run a stage. Raises SpecError where its data or settings cannot be worked with."""
    kind = next(stage.steps()).kind
    try:
        if run.tables is None:
            run.tables = {**Spreading(run).stages(), **Choosing(run).stages()}
        run.tables[kind](stage)
    except Exception as error:  # Ray wraps the one for the user in others of its own, and importing it loads torch
        told = _for_the_user(error)
        if told is None:
            raise
        raise SpecError([Problem(f"stage {stage.name}", 0, "", str(told))]) from error


#: Errors of `choice`, by name: importing their modules would load torch.
FOR_THE_USER = frozenset({"EmbedderError", "ChoiceError"})


def _for_the_user(error: BaseException | None) -> BaseException | None:
    """The error that a person can act on, however deep Ray has wrapped it."""
    while error is not None:
        if isinstance(error, SpreadError) or type(error).__name__ in FOR_THE_USER:
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None
