"""Rows and pairs as the classifier reads them. Refuses data from which nothing honest can be learnt, before
anything runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayjob.choice.errors import ChoiceError

Pairs = npt.NDArray[np.int64]
Row = Mapping[str, object]
#: A longer reasoning (some 50,000 tokens) is refused: reading it takes seconds, and no model here was trained on any.
MOST_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Reasoning:
    """One reasoning with its answer. `correct` is None where nobody judged it; `siblings` are other models' answers."""

    qid: str
    question: str
    text: str
    answer: str
    model: str = ""
    correct: bool | None = None
    strength: float | None = None
    siblings: tuple[str, ...] = ()
    vector: tuple[float, ...] = ()
    id: str = ""


def read_reasonings(rows: Sequence[Row], *, judged: bool = True) -> list[Reasoning]:
    """Rows with question, reasoning (or cot) and answer as Reasonings. `judged` rows must say which answers are
    correct.

    Raises ChoiceError, naming row and column, for missing columns, missing gold, and vectors that are NaN or of two
    lengths; for `judged` rows also for reasonings that are empty or longer than MOST_CHARS.
    """
    if not rows:
        raise ChoiceError("no rows to read: give rows with question, reasoning (or cot) and answer")
    found = [_read_row(index, row, judged) for index, row in enumerate(rows)]
    _check_vectors(found)
    return found


def _read_row(index: int, row: Row, judged: bool) -> Reasoning:
    question = _text(index, row, "question")
    text = _text(index, row, "reasoning", "cot")
    bad = why_unreadable(text)
    if judged and bad:
        raise ChoiceError(f"row {index}: {bad[1]}; leave the row out")
    correct = row.get("correct")
    if judged and not isinstance(correct, bool | np.bool_):
        raise ChoiceError(
            f"row {index}: correct is {correct!r}, and training needs true or false on every row; leave out "
            f"rows without a gold answer"
        )
    peers = row.get("peer_answers") or row.get("siblings") or ()
    siblings = tuple(str(answer) for answer in peers) if isinstance(peers, list | tuple | np.ndarray) else ()
    strength = row.get("model_acc")
    return Reasoning(
        qid=str(row["qid"]) if row.get("qid") not in (None, "") else question,
        question=question, text=text, answer=_text(index, row, "answer"),
        model=str(row.get("model") or row.get("id") or ""), correct=None if correct is None else bool(correct),
        strength=float(strength) if isinstance(strength, int | float) else None, siblings=siblings,
        vector=_vector(index, row),
        id=str(row.get("id") or ""),
    )  # fmt: skip


def why_unreadable(text: str) -> tuple[str, str] | None:
    """(failure kind, message) for a reasoning that is empty or far too long; None for any other."""
    if not text.strip():
        return "empty", "its reasoning is empty"
    if len(text) > MOST_CHARS:
        return "context", f"its reasoning has {len(text):,} characters, and at most {MOST_CHARS:,} are read"
    return None


def why_unfit(group: Sequence[Row]) -> tuple[str, str] | None:
    """(failure kind, message) for candidates that cannot be compared with each other; None where they can."""
    for place, row in enumerate(group):
        if not isinstance(row, Mapping):
            return "unreadable", f"candidate {place}: found {row!r:.60}; give {{reasoning, answer}}"
    if len(group) < 2:
        return "empty", (
            "fewer than two candidates: give `candidates`, or a reasoning with `siblings_sampled` to judge it against"
        )
    sizes = set()
    for place, row in enumerate(group):
        bad = why_unreadable(str(row.get("reasoning") or row.get("cot") or ""))
        if bad:
            return bad[0], f"candidate {place}: {bad[1]}"
        try:
            sizes.add(len(_vector(place, row)))
        except ChoiceError as error:
            return "unreadable", f"candidate {place}: {str(error).partition(': ')[2]}"
    if len(sizes) > 1:
        return (
            "unreadable",
            f"its candidates have vectors of different dimension ({', '.join(map(str, sorted(sizes)))})",
        )
    if len({(str(row.get("reasoning") or row.get("cot")), str(row.get("answer"))) for row in group}) == 1:
        return "empty", "its candidates are the same text with the same answer: there is nothing to choose"
    return None


def _text(index: int, row: Row, *names: str) -> str:
    for name in names:
        if name in row:
            value = row[name]
            return "" if value is None else str(value)
    raise ChoiceError(f"row {index}: no column {' or '.join(names)} (have: {', '.join(sorted(map(str, row)))})")


def _vector(index: int, row: Row) -> tuple[float, ...]:
    value = row.get("vector")
    if value is None:
        return ()
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.full(1, np.nan)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ChoiceError(f"row {index}: its vector is not a list of finite numbers; run `embed` again for this row")
    return tuple(vector.tolist())


def _check_vectors(found: Sequence[Reasoning]) -> None:
    sizes = sorted({len(reasoning.vector) for reasoning in found})
    if len(sizes) > 1:
        raise ChoiceError(
            f"vectors of different dimension ({', '.join(map(str, sizes))}): embed all rows with one model"
        )


def read_pairs(rows: Sequence[Row], reasonings: Sequence[Reasoning]) -> Pairs:
    """Ready pairs {qid, good, bad}, good and bad naming a model or id, as an [n, 2] array of places in `reasonings`.

    Raises ChoiceError for a name that is not there and for a pair of identical texts.
    """
    place = _places(reasonings)
    found = []
    for index, row in enumerate(rows):
        ends: list[int | None] = []
        for side in ("good", "bad"):
            key = (str(row.get("qid")), str(row.get(side)))
            if key not in place:
                raise ChoiceError(f"pair {index}: no reasoning of {key[1]!r} for question {key[0]!r} among the rows")
            if place[key] is None:
                raise ChoiceError(
                    f"pair {index}: several reasonings of question {key[0]!r} are called {key[1]!r}: give each an `id`"
                )
            ends.append(place[key])
        found.append(ends)
    pairs = np.asarray(found, dtype=np.int64).reshape(-1, 2)
    check_pairs(reasonings, pairs)
    return pairs


def _places(reasonings: Sequence[Reasoning]) -> dict[tuple[str, str], int | None]:
    """Where (question, name) stands; None where several have the name. A name is an id, else a model, else the number
    of the reasoning in its question: #0, #1, …"""
    found: dict[tuple[str, str], int | None] = {}
    seen: dict[str, int] = defaultdict(int)
    numbers = []
    for reasoning in reasonings:
        numbers.append(f"#{seen[reasoning.qid]}")
        seen[reasoning.qid] += 1
    for names in (numbers, [reasoning.model for reasoning in reasonings], [reasoning.id for reasoning in reasonings]):
        keys = [(reasoning.qid, name) for reasoning, name in zip(reasonings, names, strict=True)]
        counts = Counter(keys)
        found |= {key: index if counts[key] == 1 else None for index, key in enumerate(keys) if key[1]}
    return found


def check_pairs(reasonings: Sequence[Reasoning], pairs: Pairs) -> None:
    """Raises ChoiceError where there is no pair, or a pair whose two sides are the same text with the same answer."""
    if not len(pairs):
        raise ChoiceError(
            "no pair of a correct and an incorrect reasoning of one question: one class only; add reasonings "
            "that got the question "
            "wrong (or right), for instance with `generate`"
        )
    for index, (good, bad) in enumerate(pairs):
        first, second = reasonings[good], reasonings[bad]
        if first.text == second.text and first.answer == second.answer:
            raise ChoiceError(
                f"pair {index} (question {first.qid!r}): both sides are the same text; leave the pair out"
            )


def all_pairs(reasonings: Sequence[Reasoning]) -> Pairs:
    """Every correct × incorrect pair of one question with different texts, [n, 2] places (correct first), in row
    order."""
    sides: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for index, reasoning in enumerate(reasonings):
        if reasoning.correct is not None:
            sides[reasoning.qid][0 if reasoning.correct else 1].append(index)
    found = [
        (good, bad)
        for goods, bads in sides.values()
        for good in goods
        for bad in bads
        if reasonings[good].text != reasonings[bad].text or reasonings[good].answer != reasonings[bad].answer
    ]
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)


def pair_weights(reasonings: Sequence[Reasoning], pairs: Pairs) -> npt.NDArray[np.float64]:
    """Training weights, mean 1: questions with many pairs count less than in proportion; where models' strengths
    are known, the
    weaker model is right in half of the weight, so that who wrote a reasoning says nothing about it."""
    qids = np.asarray([reasonings[good].qid for good, _ in pairs])
    _, inverse, counts = np.unique(qids, return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[inverse].astype(np.float64))
    strengths = [(reasonings[good].strength, reasonings[bad].strength) for good, bad in pairs]
    if all(a is not None and b is not None for a, b in strengths):
        stronger = np.asarray([a > b for a, b in strengths if a is not None and b is not None])
        share = float(stronger.mean())
        if 0.05 < share < 0.95:
            weights *= np.where(stronger, 0.5 / share, 0.5 / (1 - share))
    return np.asarray(weights / weights.mean(), dtype=np.float64)
