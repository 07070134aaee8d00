"""Other reasonings' answers as evidence: votes weighted by how reliable their source is, estimated without any gold
answer.

One-coin Dawid-Skene (Dawid and Skene 1979): a source is right with probability r, else it gives one of the other
answers of the
question; r and the questions' true answers are found by expectation-maximisation. Sources without a name share one
reliability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rayjob.choice.answers import answer_key

#: What a vote without a name is filed under.
ANONYMOUS = ""
ROUNDS = 20
#: Two pseudo-questions at .6 keep a source seen once or twice near the middle.
PRIOR_WEIGHT, PRIOR = 2.0, 0.6


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer (as a key) to a question by a source."""

    qid: str
    source: str
    key: str


def estimate_reliability(votes: Sequence[Vote]) -> dict[str, float]:
    """How often each source is right, by agreement alone; between .05 and .99, deterministic."""
    questions: dict[str, list[Vote]] = {}
    for vote in votes:
        questions.setdefault(vote.qid, []).append(vote)
    reliability = dict.fromkeys(sorted({vote.source for vote in votes}), PRIOR)
    for _ in range(ROUNDS):
        right, seen = dict.fromkeys(reliability, PRIOR * PRIOR_WEIGHT), dict.fromkeys(reliability, PRIOR_WEIGHT)
        for group in questions.values():
            beliefs = posterior(group, reliability)
            for vote in group:
                right[vote.source] += beliefs[vote.key]
                seen[vote.source] += 1
        reliability = {source: min(0.99, max(0.05, right[source] / seen[source])) for source in reliability}
    return reliability


def posterior(votes: Sequence[Vote], reliability: Mapping[str, float]) -> dict[str, float]:
    """Probability of each answer that was given to one question."""
    evidence = log_evidence([(vote.source, vote.key) for vote in votes], reliability)
    top = max(evidence.values())
    weights = {key: math.exp(value - top) for key, value in evidence.items()}
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


def log_evidence(votes: Sequence[tuple[str, str]], reliability: Mapping[str, float]) -> dict[str, float]:
    """Log-likelihood of each answer among the votes (source, key), up to a constant."""
    keys = sorted({key for _, key in votes})
    wrong_choices = max(2, len(keys) - 1)
    evidence = dict.fromkeys(keys, 0.0)
    for source, key in votes:
        rate = reliability.get(source, PRIOR)
        evidence[key] += math.log(rate) - math.log((1 - rate) / wrong_choices)
    return evidence


def sibling_evidence(
    answers: Sequence[str],
    siblings: Sequence[str],
    sources: Sequence[str] = (),
    reliability: Mapping[str, float] | None = None,
) -> list[float]:
    """For each candidate answer, the summed weight of the siblings that agree with it; candidates do not vote.

    `sources` name the siblings (default: anonymous), `reliability` comes from `estimate_reliability`.
    """
    names = list(sources) or [ANONYMOUS] * len(siblings)
    votes = [(name, answer_key(sibling)) for name, sibling in zip(names, siblings, strict=True)]
    evidence = log_evidence(votes, reliability or {}) if votes else {}
    return [evidence.get(answer_key(answer), 0.0) for answer in answers]


def fit_weights(logits: npt.NDArray[np.float64], evidence: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Weights of (network, siblings) in the joint log-odds, by logistic regression without intercept: the mirror is
    kept."""
    x = np.stack([logits, evidence], axis=1)
    weights = np.zeros(2)
    for _ in range(50):
        wrong = 1 / (1 + np.exp(np.clip(x @ weights, -30, 30)))
        hessian = (x * (wrong * (1 - wrong))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, x.T @ wrong - 1e-3 * weights)
        weights = weights + step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])
