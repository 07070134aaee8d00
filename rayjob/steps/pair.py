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
        named = [{**row, "_name": name} for row, name in zip(rows, _names(rows), strict=True)]
        goods, bads = [row for row in named if row["correct"]], [row for row in named if not row["correct"]]
        found = [(good, bad) for good in goods for bad in bads if good["reasoning"] != bad["reasoning"]]
        found = [found[place] for place in rng.permutation(len(found))]
        if self.spec.balance:
            found = _balanced(found)
        return [_pair(qid, good, bad, bool(rng.random() < 0.5)) for good, bad in found[: self.spec.per_question]]


def _names(rows: list[Row]) -> list[str]:
    """What `choice.data.read_pairs` finds each by: its model or id where it is the only one of it, else its number."""
    ids, models = [row.get("id") for row in rows], [row.get("model") for row in rows]
    found = []
    for number, (id_, model) in enumerate(zip(ids, models, strict=True)):
        alone = model and models.count(model) == 1 and model not in ids
        found.append(str(model) if alone else str(id_) if id_ and ids.count(id_) == 1 else f"#{number}")
    return found


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
    given = (row.get(name) for name in ("qid", "question", "query"))
    return next((str(value) for value in given if value not in (None, "")), "")


#: What a row says of its own reasoning, and not of others of the question.
OWN = ("reasoning", "cot", "answer", "correct", "model", "model_acc", "vector")


def spread_candidates(rows: Iterable[Row]) -> list[Row]:
    """Rows with a column `candidates` as one row a candidate; the others as they are."""
    found: list[Row] = []
    for row in rows:
        candidates = row.get("candidates")
        if not candidates:
            found.append(row)
            continue
        shared = {name: value for name, value in row.items() if name not in OWN}
        for number, candidate in enumerate(candidates):
            is_own = all(candidate.get(name) == row.get(name) for name in ("reasoning", "answer"))
            found.append({**(row if is_own else shared), **candidate, "candidates": None, "id": str(number)})
    return found
