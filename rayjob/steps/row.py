"""One row on its way through the LLM steps: what each step adds to it, and how it leaves. Calls nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rayjob.labels.asking import CallFailedError, Reply
from rayjob.labels.tags import Canonicalized, LabelValue, Resolved, Unmapped, add_tag, empty_label
from rayjob.labels.taxonomy import Dimension, Taxonomy

Row = dict[str, Any]

#: What the LLM steps add to a prepared row.
LABEL_COLUMNS = (
    "labels", "confidence", "unmapped", "canonicalized", "issues", "warnings", "arbitrated", "calls",
)  # fmt: skip
#: Where a row keeps what only its way through the steps needs; `finish_row` takes it off.
STATE = "_state"


def start_row(row: Row) -> Row:
    """A copy of the row with the columns that labelling fills; where they are there already, it goes on from them."""
    fresh: Row = {
        "labels": {}, "confidence": {}, "unmapped": [], "canonicalized": [], "issues": [], "warnings": [],
        "arbitrated": False, "calls": [], "failure": None,
    }  # fmt: skip
    kept = {name: row[name] for name in fresh if row.get(name) is not None}
    state: dict[str, Any] = {"seen": {}, "pending": [], "split": [], "first_labels": None}
    return {**row, **fresh, **kept, STATE: state}


def take_given(row: Row) -> Row:
    """Puts labels that were spread to the row into it: they stand, and no step asks about them."""
    given: Mapping[str, Any] = _mapping(row.get("given"))
    for column in ("labels", "confidence"):
        row[column].update(given.get(column) or {})
    row["propagated"] = given.get("propagated") or None
    row[STATE]["given"] = frozenset(given.get("labels") or ())
    return row


def open_dims(row: Row, dims: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Those of the dimensions that the row was not given a label of."""
    given = row[STATE].get("given", frozenset())
    return tuple(dim for dim in dims if dim.name not in given)


def finish_row(
    row: Row,
    dims: Iterable[Dimension],
    check: Callable[[Mapping[str, LabelValue]], list[str]] = lambda labels: [],
    evaluate: str = "final",
) -> Row:
    """The row as it is written: every dimension of the job present, warnings from the rules, no state.

    `evaluate` says which labels the rules see: "final", or "first_answer" for those before arbitration.
    """
    state = row.get(STATE, {})
    labels: dict[str, LabelValue] = {}
    confidence: dict[str, float | None] = {}
    for dim in dims:
        labels[dim.name] = row["labels"].get(dim.name, empty_label(dim))
        confidence[dim.name] = row["confidence"].get(dim.name)
    refuse_moves(row, state.get("pending", []))
    first = state.get("first_labels")
    judged = first if evaluate == "first_answer" and first is not None else labels
    warnings = [] if row["failure"] else check(judged)
    kept = {name: value for name, value in row.items() if name != STATE}
    return {**kept, "labels": labels, "confidence": confidence, "warnings": warnings}


def add_reply(row: Row, reply: Reply) -> None:
    """The calls of one answered question: repairs are calls of their own."""
    row["calls"].extend(call.to_call() for call in (*reply.repairs, reply))


def fail_row(row: Row, step: str, error: CallFailedError) -> Row:
    """The row with its failure and what it cost so far."""
    row["calls"].extend(reply.to_call() for reply in error.calls)
    row["failure"] = {"kind": error.kind, "message": error.message, "step": step, "attempts": error.attempts}
    return row


def note_first_labels(row: Row) -> None:
    """Keeps the labels as they are now for rules that look at the first answer; only the first call counts."""
    state = row[STATE]
    if state["first_labels"] is None:
        state["first_labels"] = dict(row["labels"])


def take_answer(row: Row, found: Resolved, taxonomy: Taxonomy) -> None:
    """Puts a first answer into the row: labels, confidence, and everything recorded beside them."""
    row["labels"].update(found.labels)
    row["confidence"].update({name: found.confidence.get(name) for name in found.labels})
    record_answer(row, found)
    settle_moves(row, found.moves, taxonomy)


def record_answer(row: Row, found: Resolved) -> None:
    """What an answer leaves on record whether or not its labels are taken."""
    row["unmapped"].extend(entry.to_dict() for entry in found.unmapped)
    row["canonicalized"].extend(entry.to_dict() for entry in found.canonicalized)
    row["issues"].extend(found.issues)


def settle_moves(row: Row, moves: Sequence[Canonicalized], taxonomy: Taxonomy) -> None:
    """Tags that one call found for another's dimension come home; those of dimensions yet to be labelled wait."""
    state = row[STATE]
    waiting = [*state["pending"], *moves]
    state["pending"] = [move for move in waiting if move.to_dimension not in row["labels"]]
    for move in waiting:
        if move.to_dimension not in row["labels"]:
            continue
        if add_tag(row["labels"], taxonomy.dimensions[move.to_dimension], move.to):
            row["canonicalized"].append(move.to_dict())
        else:
            refuse_moves(row, [move])


def refuse_moves(row: Row, moves: Sequence[Canonicalized]) -> None:
    """Tags that found no home are outside their pool after all."""
    for move in moves:
        row["unmapped"].append(Unmapped(move.dimension, move.value, "violation").to_dict())
        row["issues"].append(f"{move.dimension}: '{move.value}' not in pool")


def prompt_values(row: Row) -> dict[str, object]:
    """What a prompt sees of a prepared row, except for labels: see `rayjob.labels.prompt.VARIABLES`."""
    return {
        "transcript": row.get("transcript") or "",
        "query": row.get("query") or "",
        "answer": row.get("answer") or "",
        "reasoning": row.get("reasoning") or "",
        "signals": _mapping(row.get("signals")),
        "metadata": _mapping(row.get("metadata")),
        "turn": row.get("turn") or 0,
        "unmapped": row.get("unmapped") or [],
    }


def _mapping(value: object) -> Mapping[str, object]:
    """A JSON column as a mapping; whatever else it holds is nothing."""
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
