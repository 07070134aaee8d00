"""Consensus of several sides by Dawid & Skene's model (1979): who is reliable is learnt from who agrees with whom.

Single-select: one accuracy per side, errors even over the other tags. Sets: each tag is a yes or no, with one hit rate
and one false-alarm rate per side for the whole dimension. Trusts no side by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rayjob.labels.agreement import Bools, Coded, Floats

_ROUNDS = 100
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Consensus:
    """Per row the most probable answer (rows, tags), its probability (rows,), and each side's reliability (sides,):
    its accuracy, for sets the F1 it is expected to have."""

    members: Bools
    probability: Floats
    reliability: Floats


def find_consensus(coded: Coded) -> Consensus:
    """The consensus of all sides; a row no side answers has probability 0."""
    found = _consensus_sets(coded) if coded.multi else _consensus_single(coded)
    answered = coded.known.sum(axis=0) > 0
    return Consensus(found.members & answered[:, None], found.probability * answered, found.reliability)


def _consensus_single(coded: Coded) -> Consensus:
    """One-coin EM over the tags and "says nothing", starting from the vote."""
    votes = np.concatenate([coded.members, ~coded.members.any(axis=2, keepdims=True)], axis=2).astype(np.float64)
    votes *= coded.known[:, :, None]
    choices = votes.shape[2]
    belief = _normal(votes.sum(axis=0) + 1e-9)
    accuracy = np.full(len(votes), 0.8)
    for _ in range(_ROUNDS):
        before = accuracy
        # One right and one wrong answer in advance: a side that is never caught is not believed without question.
        right = (votes * belief).sum(axis=(1, 2)) + 1
        accuracy = right / (coded.known.sum(axis=1) + 2)
        prior = (belief.sum(axis=0) + 1) / (len(belief) + choices)
        belief = _normal_log(np.log(prior) + _single_evidence(votes, coded.known, accuracy, choices))
        if np.abs(accuracy - before).max() < _CLOSE:
            break
    best = belief.argmax(axis=1)
    members = np.zeros((len(best), choices), dtype=bool)
    members[np.arange(len(best)), best] = True
    return Consensus(members[:, :-1], belief.max(axis=1), accuracy)


def _single_evidence(votes: Floats, known: Bools, accuracy: Floats, choices: int) -> Floats:
    """(rows, choices): log-probability of all votes, given that each choice were true."""
    wrong = np.log(np.maximum(1 - accuracy, 1e-12) / max(choices - 1, 1))
    gain = np.log(accuracy) - wrong
    evidence: Floats = np.tensordot(gain, votes, axes=1) + (wrong[:, None] * known).sum(axis=0)[:, None]
    return evidence


def _consensus_sets(coded: Coded) -> Consensus:
    """Two-coin EM over all (row, tag) decisions of the dimension, with a prevalence per tag."""
    votes, known = coded.members.astype(np.float64), coded.known.astype(np.float64)
    belief = votes.sum(axis=0) / np.maximum(known.sum(axis=0), 1)[:, None]
    hit = alarm = np.zeros(len(votes))
    for _ in range(_ROUNDS):
        before = hit
        there, absent = (
            (belief * known[:, :, None]).sum(axis=(1, 2)),
            ((1 - belief) * known[:, :, None]).sum(axis=(1, 2)),
        )
        hit = ((votes * belief).sum(axis=(1, 2)) + 1) / (there + 2)
        alarm = ((votes * (1 - belief)).sum(axis=(1, 2)) + 0.01) / (absent + 1)
        prior = (belief.sum(axis=0) + 0.5) / (len(belief) + 1)
        belief = _set_belief(votes, known, (hit, alarm), prior)
        if np.abs(hit - before).max() < _CLOSE:
            break
    found = belief > 0.5
    # The answer is right only if every tag of it is: tags are independent given who said what.
    probability = np.exp(np.log(np.maximum(np.where(found, belief, 1 - belief), 1e-300)).sum(axis=1))
    shared = (votes * belief).sum(axis=(1, 2))
    asked = votes.sum(axis=(1, 2)) + (belief * known[:, :, None]).sum(axis=(1, 2))
    return Consensus(found, probability, 2 * shared / np.maximum(asked, 1e-9))


def _set_belief(votes: Floats, known: Floats, rates: tuple[Floats, Floats], prior: Floats) -> Floats:
    hit, alarm = (np.clip(rate, 1e-9, 1 - 1e-9) for rate in rates)
    silent = np.log((1 - hit) / (1 - alarm))
    said = np.log(hit / alarm) - silent
    evidence = np.tensordot(said, votes, axes=1) + (silent[:, None] * known).sum(axis=0)[:, None]
    odds = np.log(prior / (1 - prior)) + evidence
    belief: Floats = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
    return belief


def _normal(values: Floats) -> Floats:
    total: Floats = values / values.sum(axis=1, keepdims=True)
    return total


def _normal_log(values: Floats) -> Floats:
    return _normal(np.exp(values - values.max(axis=1, keepdims=True)))
