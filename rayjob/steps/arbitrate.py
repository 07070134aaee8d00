"""The arbitrate step: doubtful answers are asked about again, and nothing else is. Decides by rule, not by taste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayjob.labels.asking import Asker, CallFailedError
from rayjob.labels.tags import LabelValue, Resolved, is_missing
from rayjob.labels.taxonomy import Dimension
from rayjob.labels.votes import merge_answers, said_of, vote
from rayjob.spec.label import ArbitrateStep, MajorityOf, When
from rayjob.steps.label import Asking, Label
from rayjob.steps.row import (
    STATE,
    Row,
    fail_row,
    note_first_labels,
    open_dims,
    record_answer,
    settle_moves,
    take_answer,
)

#: Failures that end the row (and perhaps the run). After any other, the first answer is still an answer, and it stays.
FATAL = frozenset({"auth", "budget"})


class Arbitrate:
    """Asks the given label steps (in the order they ran) again about their doubtful dimensions."""

    def __init__(self, name: str, spec: ArbitrateStep, labels: Sequence[Label]) -> None:
        self.name = name
        self.spec = spec
        self.labels = tuple(labels)

    async def __call__(self, row: Row, asker: Asker) -> Row:
        """The row with what the second answers changed; `arbitrated` says whether any was asked for."""
        if row["failure"]:
            return row
        note_first_labels(row)
        changed: set[str] = set()
        try:
            for step in self.labels:
                if self.spec.rebuild and reads_any(step, changed):
                    changed |= await self._rebuild(step, row, asker)
                doubtful = tuple(
                    dim
                    for dim in open_dims(row, step.dims)
                    if self._may_ask(dim) and is_doubtful(row, dim.name, self.spec.when)
                )
                if doubtful:
                    row["arbitrated"] = True
                    changed |= await self._ask_again(step, doubtful, row, asker)
        except CallFailedError as error:
            return fail_row(row, self.name, error)
        return row

    def _may_ask(self, dim: Dimension) -> bool:
        return self.spec.dimensions is None or dim.name in self.spec.dimensions

    async def _rebuild(self, step: Label, row: Row, asker: Asker) -> set[str]:
        """The whole label step once more, as itself, over labels that are no longer those it read."""
        dims = open_dims(row, step.dims)
        if not dims:
            return set()
        answers = await self._answers(step, row, asker, step.asking(dims))
        if not answers:
            return set()
        before = _labels_of(row, dims)
        for column in ("unmapped", "canonicalized"):  # what the answer that is replaced left behind
            names = {dim.name for dim in dims}
            row[column] = [entry for entry in row[column] if entry["dimension"] not in names]
        take_answer(row, step.combine(answers, dims), step.taxonomy)
        return _differing(before, _labels_of(row, dims))

    async def _ask_again(self, step: Label, dims: tuple[Dimension, ...], row: Row, asker: Asker) -> set[str]:
        """New answers about some dimensions, taken as `accept` says; the dimensions whose label changed."""
        accept, spec = self.spec.accept, self.spec
        draws = accept.majority_of - 1 if isinstance(accept, MajorityOf) else 1
        # Numbered after the label step's draws: where every dimension is doubtful the question is the very same one,
        # and the ledger would answer it with the answer that is doubted.
        first = step.spec.samples
        asking = Asking(self.name, spec.model or step.spec.model, dims, spec.temperature, draws, first)
        answers = await self._answers(step, row, asker, asking)
        if not answers:
            return set()
        found = merge_answers(answers, dims, by_agreement=False)
        # A calibration of agreement says nothing of what one answer says of itself.
        found = found if step.spec.by_agreement else step.calibrate(found)
        if isinstance(accept, MajorityOf):
            found = _with_first(row, answers, found, dims)
        before = _labels_of(row, dims)
        for dim in dims:
            if step.spec.tags == "aliases" and all(is_missing(dim.name, answer) for answer in answers):
                continue  # no answer is none to take: it would leave nothing of the first
            if _is_taken(accept, row["confidence"].get(dim.name), found.confidence.get(dim.name)):
                row["labels"][dim.name] = found.labels[dim.name]
                row["confidence"][dim.name] = found.confidence.get(dim.name) or 0.0
        if spec.record == "all":
            record_answer(row, found)
            settle_moves(row, found.moves, step.taxonomy)
        return _differing(before, _labels_of(row, dims))

    async def _answers(self, step: Label, row: Row, asker: Asker, asking: Asking) -> list[Resolved]:
        """The answers, or none with an issue on record where asking failed and the first answer can stand."""
        try:
            return await step.ask(row, asker, asking)
        except CallFailedError as error:
            if error.kind in FATAL:
                raise
            row["calls"].extend(reply.to_call() for reply in error.calls)
            names = ", ".join(dim.name for dim in asking.dims)
            row["issues"].append(f"{names}: not asked again ({error})")
            return []


def reads_any(step: Label, dimensions: set[str]) -> bool:
    """Whether a label step's prompt reads the label of one of these dimensions."""
    own = {dim.name for dim in step.dims}
    return bool(dimensions - own) if "*" in step.reads else bool(dimensions & (step.reads - own))


def is_doubtful(row: Row, dimension: str, when: When) -> bool:
    """Whether a dimension's answer meets one of the conditions. An answer without a confidence is not low."""
    if dimension not in row["labels"]:
        return False
    if when.any or (when.disagreement and dimension in row[STATE]["split"]):
        return True
    limit = when.confidence_below
    if limit == "calibrated":
        raise ValueError("thresholds of a calibration file are filled in when the step is built")
    threshold = limit.get(dimension, 0.0) if isinstance(limit, dict) else limit
    score = row["confidence"].get(dimension)
    return score is not None and score < threshold


def _is_taken(accept: object, first: float | None, second: float | None) -> bool:
    if accept == "if_higher":
        return second is not None and (first is None or second > first)
    return True


def _with_first(row: Row, answers: Sequence[Resolved], found: Resolved, dims: Sequence[Dimension]) -> Resolved:
    """The majority with the first answer among the voters; confidence is their agreement."""
    verdicts = {dim.name: vote([row["labels"][dim.name], *said_of(dim.name, answers)], dim) for dim in dims}
    return replace(
        found,
        labels={name: verdict.value for name, verdict in verdicts.items()},
        confidence={name: verdict.agreement for name, verdict in verdicts.items()},
    )


def _labels_of(row: Row, dims: Sequence[Dimension]) -> dict[str, LabelValue]:
    return {dim.name: row["labels"][dim.name] for dim in dims}


def _differing(before: dict[str, LabelValue], after: dict[str, LabelValue]) -> set[str]:
    return {name for name, value in before.items() if _as_set(value) != _as_set(after[name])}


def _as_set(value: LabelValue) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value)
