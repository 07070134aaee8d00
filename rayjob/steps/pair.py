"""The pair step: from judged reasonings to pairs of one question, in random order. Splits nothing; see choice.split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rayjob.spec.choice import PairStep

Row = dict[str, Any]


class Pair:
    """Rows with question (or query), reasoning, answer and correct → pairs, seeded; sees the whole table."""

    def __init__(self, spec: PairStep) -> None:
        self.spec = spec

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        """One row a pair: qid, good, bad (names), first (good or bad: the side that stands first), and both texts."""
        rng = np.random.default_rng(self.spec.seed)
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in spread_candidates(rows):
            if not row.get("failure") and isinstance(row.get("correct"), bool | np.bool_):
                groups[question_id(row)].append(row)
        return [pair for qid in sorted(groups) for pair in self._pairs(qid, groups[qid], rng)]

    def _pairs(self, qid: str, rows: list[Row], rng: np.random.Generator) -> list[Row]:
        models = [row.get("model") for row in rows]
        named = [
            {**row, "_name": str((models.count(row.get("model")) == 1 and row.get("model")) or row.get("id") or number)}
            for number, row in enumerate(rows)
        ]
        goods, bads = [row for row in named if row["correct"]], [row for row in named if not row["correct"]]
        found = [(good, bad) for good in goods for bad in bads if good["reasoning"] != bad["reasoning"]]
        found = [found[place] for place in rng.permutation(len(found))]
        if self.spec.balance:
            found = _balanced(found)
        return [_pair(qid, good, bad, bool(rng.random() < 0.5)) for good, bad in found[: self.spec.per_question]]


def _balanced(pairs: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    """As many pairs where the stronger model is right as where the weaker is, where strengths are known."""
    if any(row.get("model_acc") is None for pair in pairs for row in pair):
        return pairs
    stronger = [pair for pair in pairs if pair[0]["model_acc"] > pair[1]["model_acc"]]
    weaker = [pair for pair in pairs if pair[0]["model_acc"] < pair[1]["model_acc"]]
    return [pair for both in zip(stronger, weaker, strict=False) for pair in both]


def _pair(qid: str, good: Row, bad: Row, good_first: bool) -> Row:
    return {
        "qid": qid, "question": str(good.get("question") or good.get("query") or ""), "good": good["_name"],
        "bad": bad["_name"], "first": "good" if good_first else "bad", "good_reasoning": good["reasoning"],
        "bad_reasoning": bad["reasoning"], "good_answer": good.get("answer"), "bad_answer": bad.get("answer"),
    }  # fmt: skip


def question_id(row: Row) -> str:
    """What rows of one question share: qid, else the text of the question."""
    return str(row.get("qid") or row.get("question") or row.get("query") or "")


def spread_candidates(rows: Iterable[Row]) -> list[Row]:
    """Rows with a column `candidates` as one row a candidate; the others as they are."""
    found: list[Row] = []
    for row in rows:
        candidates = row.get("candidates")
        if not candidates:
            found.append(row)
            continue
        found += [{**row, **candidate, "candidates": None, "id": str(n)} for n, candidate in enumerate(candidates)]
    return found
