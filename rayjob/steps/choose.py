"""The choose step: judges each row's candidates with trained weights. Which model computes it is passed in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rayjob.choice.data import why_unfit
from rayjob.spec.choice import ABSTAINED, ChooseStep

Row = dict[str, Any]


class Judged(Protocol):
    """A verdict on one group of candidates."""

    @property
    def winner(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def ranking(self) -> tuple[int, ...]: ...
    @property
    def scores(self) -> tuple[float, ...]: ...
    @property
    def why(self) -> tuple[str, ...]: ...


class Judge(Protocol):
    """`rayjob.choice.predict.judge_rows` bound to a model: groups of candidate rows in, verdicts out."""

    def __call__(self, groups: Sequence[Sequence[Row]]) -> Sequence[Judged]: ...


class Choose:
    """Adds `choice` and its label to rows, a batch at a time. Bad rows carry a failure; their neighbours do not."""

    def __init__(self, spec: ChooseStep, judge: Judge, threshold: float | None = None) -> None:
        """`threshold` is the confidence below which it abstains, where the spec asks for a precision."""
        self.spec, self._judge = spec, judge
        self.threshold = spec.confidence if spec.confidence is not None else threshold

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """Every row with `choice` {which, confidence, ranking, scores, why}, and labels/confidence of the dimension.

        A row's candidates stand in its column `candidates`. A row with a reasoning of its own and
        `siblings_sampled` (other reasonings of the question) is judged against these: the label is better or worse.
        """
        groups = [() if row.get("failure") else candidates_of(row) for row in rows]
        unfit = [why_unfit(group) for group in groups]
        ready = [group for group, why in zip(groups, unfit, strict=True) if why is None]
        verdicts = iter(self._judge(ready) if ready else ())
        return [
            self._judged(row, group, next(verdicts)) if why is None else _left_out(row, why)
            for row, group, why in zip(rows, groups, unfit, strict=True)
        ]

    def _judged(self, row: Row, group: Sequence[Row], verdict: Judged) -> Row:
        which, confidence = name_of(group[verdict.winner], verdict.winner), verdict.confidence
        is_tie = len(_best_names(group, verdict)) > 1
        if is_lone(row):
            which, confidence = _against_siblings(verdict)
            is_tie = confidence <= 0.5
        # In a tie the order of the candidates would decide, and swapping them the label.
        sure = not is_tie and (self.threshold is None or confidence >= self.threshold)
        choice = {
            "which": which if sure else ABSTAINED, "confidence": confidence, "ranking": list(verdict.ranking),
            "scores": list(verdict.scores), "why": list(verdict.why),
        }  # fmt: skip
        return {
            **row,
            "choice": choice,
            "labels": {**(row.get("labels") or {}), self.spec.dimension: choice["which"]},
            "confidence": {**(row.get("confidence") or {}), self.spec.dimension: confidence},
        }


def candidates_of(row: Row) -> list[Any]:
    """The candidates of a row as rows of their own: question, reasoning, answer, siblings. What is none stays as it is:
    `why_unfit` says so."""
    question = str(row.get("question") or row.get("query") or "")
    given = [row, *_listed(row["siblings_sampled"])] if is_lone(row) else _listed(row.get("candidates") or ())
    return [
        {"answer": "", **one, "question": question, "reasoning": one.get("reasoning") or one.get("cot") or ""}
        if isinstance(one, Mapping)
        else one
        for one in given
    ]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def is_lone(row: Row) -> bool:
    """Whether the row is one reasoning that is judged against sampled siblings."""
    return not row.get("candidates") and bool(row.get("siblings_sampled"))


def _against_siblings(verdict: Judged) -> tuple[str, float]:
    """Better or worse than a sibling drawn at random, and how sure: the mean probability of beating each."""
    own, *others = verdict.scores
    share = sum(1 / (1 + math.exp(max(-50.0, min(50.0, other - own)))) for other in others) / len(others)
    return ("better", share) if share >= 0.5 else ("worse", 1 - share)


def _best_names(group: Sequence[Row], verdict: Judged) -> set[str]:
    """What the candidates with the best score are called: two samples of one model are no tie."""
    best = verdict.scores[verdict.winner]
    return {name_of(one, place) for place, one in enumerate(group) if verdict.scores[place] >= best}


def name_of(candidate: Row, place: int) -> str:
    """What a candidate is called in the label: its id or model, else its place from 0."""
    return str(candidate.get("id") or candidate.get("model") or place)


def _left_out(row: Row, why: tuple[str, str]) -> Row:
    if row.get("failure"):
        return {**row, "choice": None}
    kind, message = why
    return {**row, "choice": None, "failure": {"kind": kind, "message": message, "step": "choose", "attempts": 0}}
