"""The train_choice step: the whole table of judged reasonings in, weights and card out. Who trains is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rayjob.spec.choice import TrainChoiceStep
from rayjob.steps.pair import spread_candidates

Row = dict[str, Any]


class Train(Protocol):
    """`rayjob.choice.train.train` bound to settings and files; returns a card with `failed` guards."""

    def __call__(self, rows: Sequence[Row], pairs: Sequence[Row] | None) -> Any: ...


class TrainChoice:
    """Trains on all rows of a run; failed rows are left out, candidates are unfolded."""

    def __init__(self, spec: TrainChoiceStep, train: Train) -> None:
        self.spec, self._train = spec, train

    def __call__(self, rows: Sequence[Row], pairs: Sequence[Row] | None = None) -> Any:
        """The card. Raises ChoiceError (rayjob.choice.errors) before anything is trained where the rows will not do."""
        return self._train(training_rows(rows), pairs)


def training_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows as `rayjob.choice.data` reads them: question from query where there is none of its own, no failures."""
    return [
        {**row, "question": row.get("question") or row.get("query") or ""}
        for row in spread_candidates(rows)
        if not row.get("failure")
    ]
