"""One side of a comparison: the labels of a run, a labelled file or a gold file, as columns. Compares nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rayjob.labels.agreement import Answers, Floats

Record = Mapping[str, object]
Said = tuple[str, ...]

#: Keys of `labels` in a labelled file that are not dimensions.
NOT_DIMENSIONS = ("confidence", "unmapped")


class LabelledError(Exception):
    """A side that cannot be read, in words for the person who named it (exit 2)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the labels cost; None where the side does not say."""

    calls: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """All labelled rows of one side, in the order in which they were read.

    `answers[dimension][row]` are the tags said, or None where the side leaves the dimension open (gold only).
    `confidence[dimension][row]` is nan where none was given. `violations` and `suggestions` count tags over all rows;
    `violating` says which rows hold a violation. `first` are the answers before arbitration, None in rows that were
    not arbitrated; empty where the side does not keep them. `spread[dimension]` are the rows whose label was taken from
    other rows: their confidence is not a model's. `unlabelled` and `unlabelled_uids` name the rows without labels.
    """

    name: str
    path: str
    ids: tuple[str, ...]
    uids: tuple[str, ...]
    answers: Mapping[str, Answers]
    multi: frozenset[str]
    confidence: Mapping[str, Floats]
    violations: Mapping[str, int]
    suggestions: Mapping[str, int]
    violating: Floats
    unlabelled: tuple[str, ...] = ()
    unlabelled_uids: tuple[str, ...] = ()
    usage: Usage = Usage()
    first: Mapping[str, Answers] = field(default_factory=dict)
    meta: Mapping[str, object] = field(default_factory=dict)
    spread: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


def as_said(value: object) -> Said:
    """The tags of one answer as they came, duplicates and empty strings dropped, sorted."""
    if value is None:
        return ()
    values = value if isinstance(value, list | tuple | set) else [value]
    return tuple(sorted({str(item) for item in values if item is not None and str(item) != ""}))


def sort_unmapped(entry: object, rejected: Sequence[str] | None = None) -> tuple[str, str]:
    """("violation" | "suggestion", "dimension:tag" or tag) of one entry of `unmapped`.

    Entries without a kind (the trial's files): where the record lists what validation rejected ("task: 'x' not in
    pool"), an entry is a violation if it is named there; else one with a dimension is, and a bare tag is an offer.
    """
    if not isinstance(entry, Mapping):
        return "suggestion", str(entry)
    dimension, value = str(entry.get("dimension") or ""), str(entry.get("value", ""))
    name = f"{dimension}:{value}" if dimension else value
    if entry.get("kind"):
        return str(entry["kind"]), name
    if rejected is not None:
        named = any(issue.startswith(f"{dimension}:") and f"'{value}'" in issue for issue in rejected)
        return "violation" if named else "suggestion", name
    return "violation" if dimension else "suggestion", name


def build_labelled(name: str, path: str, records: Iterable[Record], partial: bool = False) -> Labelled:
    """Columns from records that carry `id` (or `uid`) and `labels`.

    Records without labels are named in `unlabelled`; records without an id raise LabelledError. `partial`: a dimension
    that a record lacks is open, not empty (gold files).
    """
    labelled: list[Record] = []
    without: list[Record] = []
    for number, record in enumerate(records, start=1):
        key = record.get("id") if record.get("id") not in (None, "") else record.get("uid")
        if key in (None, ""):
            have = ", ".join(map(str, list(record)[:8])) or "nothing"
            raise LabelledError(
                f"{path}: record {number} has neither id nor uid (it has: {have}); rows are joined by one of them"
            )
        if _labels(record):
            labelled.append(record)
        else:
            without.append(record)
    answers, multi = _answers(labelled, partial)
    violations, suggestions, violating = _count_unmapped(labelled)
    return Labelled(
        name=name,
        path=path,
        ids=tuple(_text(record, "id", "uid") for record in labelled),
        uids=tuple(_text(record, "uid", "") for record in labelled),
        answers=answers,
        multi=multi,
        confidence=_confidence(labelled, tuple(answers)),
        violations=violations,
        suggestions=suggestions,
        violating=violating,
        unlabelled=tuple(_text(record, "id", "uid") for record in without),
        unlabelled_uids=tuple(_text(record, "uid", "id") for record in without),
        usage=sum_usage(labelled),
        first=_first_answers(labelled, tuple(answers)),
        spread=_spread(labelled),
    )


def _text(record: Record, first: str, second: str) -> str:
    value = record.get(first)
    return str(value) if value not in (None, "") else str(record.get(second) or "")


def _labels(record: Record) -> Mapping[str, object]:
    labels = record.get("labels")
    return labels if isinstance(labels, Mapping) else {}


def _answers(records: Sequence[Record], partial: bool) -> tuple[dict[str, Answers], frozenset[str]]:
    """Per dimension the answers of all rows; which dimensions hold lists. One that no row answers is left out."""
    names = dict.fromkeys(name for record in records for name in _labels(record) if name not in NOT_DIMENSIONS)
    found: dict[str, Answers] = {}
    multi = set()
    for name in names:
        values = [_labels(record).get(name) for record in records]
        if all(value is None for value in values):
            continue
        if any(isinstance(value, list | tuple) for value in values):
            multi.add(name)
        found[name] = [None if partial and value is None else as_said(value) for value in values]
    return found, frozenset(multi)


def _first_answers(records: Sequence[Record], dimensions: Sequence[str]) -> dict[str, Answers]:
    """`first_labels` of the rows that have them, an object or its JSON text."""
    first = [_object(record.get("first_labels")) for record in records]
    if not any(first):
        return {}
    return {name: [as_said(one[name]) if name in one else None for one in first] for name in dimensions}


def _spread(records: Sequence[Record]) -> dict[str, frozenset[int]]:
    rows: dict[str, set[int]] = {}
    for row, record in enumerate(records):
        for entry in _list(record.get("propagated")):
            if isinstance(entry, Mapping):
                rows.setdefault(str(entry.get("dimension")), set()).add(row)
    return {name: frozenset(there) for name, there in rows.items()}


def _object(value: object) -> Mapping[str, object]:
    found = json.loads(value) if isinstance(value, str) and value else value
    return found if isinstance(found, Mapping) else {}


def _confidence(records: Sequence[Record], dimensions: Sequence[str]) -> dict[str, Floats]:
    given = [record.get("confidence") or _labels(record).get("confidence") or {} for record in records]
    found = {}
    for name in dimensions:
        values = np.array([_number(one.get(name)) if isinstance(one, Mapping) else np.nan for one in given])
        if not np.isnan(values).all():
            found[name] = values
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


def _count_unmapped(records: Sequence[Record]) -> tuple[dict[str, int], dict[str, int], Floats]:
    counts: dict[str, Counter[str]] = {"violation": Counter(), "suggestion": Counter()}
    violating = np.zeros(len(records))
    for row, record in enumerate(records):
        entries = record.get("unmapped") or _labels(record).get("unmapped") or []
        rejected = _rejected(record)
        for kind, tag in (sort_unmapped(entry, rejected) for entry in _list(entries)):
            counts.setdefault(kind, Counter())[tag] += 1
            violating[row] = max(violating[row], kind == "violation")
    violations, suggestions = (dict(sorted(counts[kind].items())) for kind in ("violation", "suggestion"))
    return violations, suggestions, violating


def _rejected(record: Record) -> list[str] | None:
    """What the trial's monitor says validation rejected; None in files of other makers."""
    monitor = record.get("labeling_monitor")
    issues = monitor.get("validation_issues") if isinstance(monitor, Mapping) else None
    return [str(issue) for issue in issues] if isinstance(issues, list) else None


def sum_usage(records: Sequence[Record]) -> Usage:
    """What the rows themselves say about calls, tokens and cost (column `calls`, or `labeling_monitor.llm_calls`)."""
    calls = [call for record in records for call in _list(record.get("calls")) if isinstance(call, Mapping)]
    if calls:
        prompt, completion, cost = (
            sum(_number(call.get(name) or 0) for call in calls)
            for name in ("prompt_tokens", "completion_tokens", "cost_usd")
        )
        return Usage(len(calls), int(prompt), int(completion), cost)
    monitors = [record.get("labeling_monitor") for record in records]
    counted = [one["llm_calls"] for one in monitors if isinstance(one, Mapping) and "llm_calls" in one]
    return Usage(calls=sum(counted)) if counted else Usage()


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
