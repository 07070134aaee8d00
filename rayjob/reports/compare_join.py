"""Join the sides of a comparison by id or uid, never by position; say what is missing where. Computes no agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.agreement import Coded, code_answers
from rayjob.reports.labelled import Labelled, LabelledError, Said, as_said


@dataclass(frozen=True, slots=True)
class Joined:
    """The rows all sides have: their keys, and per side the row each key stands in.

    Per side: `missing` keys that another side has, `duplicated` keys (left out: nobody can say which row is meant) and
    `unlabelled` ids; `lacking` are the dimensions another side has. `groups` says which conversation each row belongs
    to, (rows,); None where each is the only one of its own.
    """

    by: str
    keys: tuple[str, ...]
    rows: tuple[NDArray[np.int64], ...]
    missing: tuple[tuple[str, ...], ...]
    duplicated: tuple[tuple[str, ...], ...]
    unlabelled: tuple[tuple[str, ...], ...]
    lacking: tuple[tuple[str, ...], ...]
    groups: NDArray[np.int64] | None = None

    @property
    def draw_from(self) -> int:
        """How many rows, or conversations, a bootstrap draws from."""
        return len(self.keys) if self.groups is None else int(self.groups.max()) + 1


def join_sides(sides: Sequence[Labelled], by: str = "auto") -> Joined:
    """Join by `by` ("id", "uid", or "auto": id where it is unique on every side, else uid where every row has one).

    Raises LabelledError where no row is on all sides.
    """
    by = _choose_key(sides) if by == "auto" else by
    keys = [side.ids if by == "id" else side.uids for side in sides]
    counts = [Counter(side_keys) for side_keys in keys]
    duplicated = [{key for key, count in counted.items() if count > 1 or not key} for counted in counts]
    single = [set(counted) - twice for counted, twice in zip(counts, duplicated, strict=True)]
    common = set.intersection(*single)
    if not common:
        raise LabelledError(_nothing_shared(sides, by))
    order = tuple(
        sorted(common)
    )  # not the files' order, which differs from run to run: draws must fall on the same rows
    everything = set().union(*counts) - {""}
    dimensions = list(dict.fromkeys(name for side in sides for name in side.answers))
    rows = tuple(_rows_of(side_keys, order) for side_keys in keys)
    if by == "uid":
        _check_ids(sides, rows)
    unlabelled = tuple(side.unlabelled if by == "id" else side.unlabelled_uids for side in sides)
    return Joined(
        by=by,
        keys=order,
        rows=rows,
        missing=tuple(
            tuple(sorted(everything - set(counted) - set(without)))
            for without, counted in zip(unlabelled, counts, strict=True)
        ),
        duplicated=tuple(tuple(sorted(twice)) for twice in duplicated),
        unlabelled=unlabelled,
        lacking=tuple(tuple(name for name in dimensions if name not in side.answers) for side in sides),
        groups=_conversations(sides[0], rows[0]),
    )


def _check_ids(sides: Sequence[Labelled], rows: Sequence[NDArray[np.int64]]) -> None:
    """A uid is a place in a file: after lines were added or sorted another record stands there."""
    for at in zip(*rows, strict=True):
        here = [(side, row) for side, row in zip(sides, at, strict=True) if side.ids[row] != side.uids[row]]
        named = {side.ids[row]: side.path for side, row in here}
        if len(named) > 1:
            told = " and ".join(f"record {id_!r} in {path}" for id_, path in named.items())
            why = "the input was changed between them, so rows cannot be joined by uid"
            mend = "label one input, or give records ids that stand once"
            raise LabelledError(f"uid {sides[0].uids[at[0]]!r} is {told}: {why}; {mend}")


def _conversations(side: Labelled, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The conversation of each row: its id, for a record without one its uid (file#row#turn) less the turn."""
    ids, uids = side.ids, side.uids
    names = [uids[row].rpartition("#")[0] or ids[row] if ids[row] == uids[row] else ids[row] for row in rows]
    number = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return None if len(number) == len(names) else np.array([number[name] for name in names], dtype=np.int64)


def _choose_key(sides: Sequence[Labelled]) -> str:
    if all(len(set(side.ids)) == len(side.ids) for side in sides):
        return "id"
    return "uid" if all(all(side.uids) for side in sides) else "id"


def _rows_of(keys: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    at = {key: row for row, key in enumerate(keys)}
    return np.array([at[key] for key in order], dtype=np.int64)


def _nothing_shared(sides: Sequence[Labelled], by: str) -> str:
    shown = "; ".join(f"{side.path} has {len(side)} labelled rows{_example(side, by)}" for side in sides)
    return f"no {by} is on all sides once and with labels: {shown}. Rows are joined by {by}; --key id|uid changes it"


def _example(side: Labelled, by: str) -> str:
    if not len(side):
        return f" ({len(side.unlabelled)} records without `labels`, an object of dimensions)" if side.unlabelled else ""
    keys = side.ids if by == "id" else side.uids
    return f" (first: {keys[0]!r})"


def align_answers(sides: Sequence[Labelled]) -> list[Labelled]:
    """The sides with tags that stand in one text taken apart at commas, where another side holds that dimension as
    lists: spreadsheets and flat tables write sets so."""
    multi = frozenset[str]().union(*(side.multi for side in sides))
    return [_with_lists(side, (multi - side.multi) & set(side.answers)) for side in sides]


def _with_lists(side: Labelled, names: Collection[str]) -> Labelled:
    if not names:
        return side
    lists = {name: [_take_apart(said) for said in side.answers[name]] for name in names}
    return replace(side, answers={**side.answers, **lists}, multi=side.multi | set(names))


def _take_apart(said: Sequence[str] | None) -> Said | None:
    return None if said is None else as_said([part.strip() for text in said for part in text.split(",")])


def code_joined(sides: Sequence[Labelled], joined: Joined) -> dict[str, Coded]:
    """Every dimension two sides or more have, over the joined rows; a side that lacks it is unknown in all of them."""
    dimensions = dict.fromkeys(name for side in sides for name in side.answers)
    coded = {}
    for name in dimensions:
        having = [name in side.answers for side in sides]
        if sum(having) < 2:
            continue
        answers = [
            [side.answers[name][row] for row in rows] if has else [None] * len(rows)
            for side, rows, has in zip(sides, joined.rows, having, strict=True)
        ]
        coded[name] = code_answers(name, any(name in side.multi for side in sides), answers)
    return coded
