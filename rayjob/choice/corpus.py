"""All that training reads, checked and described once: reasonings, features, pairs, siblings' evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayjob.choice import siblings as sib
from rayjob.choice.answers import answer_key
from rayjob.choice.data import Pairs, Reasoning, Row, all_pairs, check_pairs, pair_weights, read_pairs, read_reasonings
from rayjob.choice.errors import ChoiceError
from rayjob.choice.scores import Scores, score
from rayjob.choice.table import FeatureTable, build_table

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Reasonings, their features, the pairs to learn from with weights, the pairs that are scored."""

    reasonings: Sequence[Reasoning]
    table: FeatureTable
    pairs: Pairs
    weights: Array
    scored: Pairs
    hash: str

    @property
    def has_siblings(self) -> bool:
        """Whether every row brings other answers to its question."""
        return all(reasoning.siblings for reasoning in self.reasonings)


def read_corpus(rows: Sequence[Row], pair_rows: Sequence[Row] | None = None) -> Corpus:
    """Rows (and ready pairs, else every correct × incorrect pair) as a corpus. Raises ChoiceError before anything
    runs."""
    reasonings = read_reasonings(rows)
    pairs = all_pairs(reasonings)
    check_pairs(reasonings, pairs)
    scored = read_pairs(pair_rows, reasonings) if pair_rows is not None else pairs
    known = {(int(a), int(b)) for a, b in pairs}
    if not all((int(a), int(b)) in known for a, b in scored):
        raise ChoiceError(
            "a ready pair does not go from a correct to an incorrect reasoning of one question: check good, bad "
            "and correct"
        )
    text = json.dumps([[r.qid, r.question, r.text, r.answer, r.correct] for r in reasonings] + scored.tolist())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Corpus(reasonings, build_table(reasonings), pairs, pair_weights(reasonings, pairs), scored, digest)


def sibling_reliability(reasonings: Sequence[Reasoning], count: int) -> dict[str, float]:
    """How often a sibling is right, by agreement among the first `count` of every reasoning."""
    votes = [
        sib.Vote(reasoning.qid, sib.ANONYMOUS, answer_key(answer))
        for reasoning in reasonings
        for answer in reasoning.siblings[:count]
    ]
    return sib.estimate_reliability(votes)


def sibling_logits(reasonings: Sequence[Reasoning], pairs: Pairs, count: int) -> Array:
    """Evidence of `count` siblings per pair for the first over the second: half from each side's list, without
    names."""
    reliability = sibling_reliability(reasonings, count)
    found = []
    for first, second in pairs:
        a, b = reasonings[first], reasonings[second]
        drawn = [*a.siblings[: (count + 1) // 2], *b.siblings[: count // 2]]
        weights = sib.sibling_evidence([a.answer, b.answer], drawn, reliability=reliability)
        found.append(weights[0] - weights[1])
    return np.asarray(found)


def lengths(reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
    """Characters of the first minus those of the second reasoning of each pair."""
    sizes = np.asarray([len(reasoning.text) for reasoning in reasonings], dtype=np.float64)
    return np.asarray(sizes[pairs[:, 0]] - sizes[pairs[:, 1]])


def score_pairs(reasonings: Sequence[Reasoning], pairs: Pairs, logits: Array) -> Scores:
    """Scores of log-odds (winner minus loser) of pairs; intervals resample questions."""
    return score(logits, [reasonings[first].qid for first, _ in pairs], lengths(reasonings, pairs))
