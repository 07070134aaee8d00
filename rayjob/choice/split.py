"""The one place where questions are dealt into folds: one seed, nothing of a question on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayjob.choice.data import Reasoning
from rayjob.choice.errors import ChoiceError


@dataclass(frozen=True, slots=True)
class Split:
    """The fold of every reasoning, in row order, and a hash of which question lies where."""

    seed: int
    count: int
    folds: npt.NDArray[np.int64]
    hash: str


def split_questions(reasonings: Sequence[Reasoning], seed: int, count: int = 5) -> Split:
    """Deals questions into `count` folds of equal size: what shares a text, or an id, is one question. Raises
    ChoiceError for too few."""
    keys = question_keys(reasonings)
    questions = sorted(set(keys))
    if len(questions) < 2 * count:
        raise ChoiceError(
            f"{len(questions)} questions cannot be split into {count} folds: at least {2 * count} are needed"
        )
    order = np.random.default_rng(seed).permutation(len(questions))
    fold = {questions[place]: rank % count for rank, place in enumerate(order)}
    text = "\n".join(f"{fold[question]}\t{question}" for question in questions)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Split(seed, count, np.asarray([fold[key] for key in keys], dtype=np.int64), digest)


def question_keys(reasonings: Sequence[Reasoning]) -> list[str]:
    """What reasonings of one question share: the first of its texts. Texts that share an id are one question, for its
    pairs go from one to the other."""
    texts = ["".join(reasoning.question.split()).lower() for reasoning in reasonings]
    first: dict[str, str] = {text: text for text in texts}

    def root(text: str) -> str:
        while first[text] != text:
            first[text] = first[first[text]]
            text = first[text]
        return text

    of_id: dict[str, str] = {}
    for reasoning, text in zip(reasonings, texts, strict=True):
        one, other = sorted((root(text), root(of_id.setdefault(reasoning.qid, text))))
        first[other] = one
    return [root(text) for text in texts]
