"""Buying labels in rounds: after the first, where the last model was least sure, spread out. Reads no label itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, unit
from rayjob.vectors.represent import CELL_ROWS, Budget, Chosen, draw_audit, pick, split_budget

#: Rounds where nobody says how many: from so many representatives on the first half of them knows the table well enough
#: to tell where doubt is. Measured with 327 (worse than one round), 808 and 1,832 (better): docs/spreading.md.
USUAL_ROUNDS = 3
REPRESENTATIVES_FOR_ROUNDS = 500
#: Among this many times as many uncertain rows as are to be bought, the choice goes by diversity.
CANDIDATES = 8


def plan_rounds(budget: float, rows: int, audit_share: float | None, rounds: int | None) -> list[Budget]:
    """What each round buys: half of the representatives first, to know the table, the rest in equal parts.

    `rounds` None: three where there are representatives enough, else one. No round is without a representative, unless
    there is none at all: with few of them there are fewer rounds than were asked for.

    The whole audit comes with the last round: drawn from what is then left, it stands for exactly the rows that get
    their label from others, whereas an earlier one would still hold hard rows that are bought later.
    """
    whole = split_budget(budget, rows, audit_share)
    if rounds is None:
        rounds = USUAL_ROUNDS if whole.representatives >= REPRESENTATIVES_FOR_ROUNDS else 1
    rest = whole.representatives // 2
    later = min(rounds - 1, rest)
    if not later:
        return [whole]
    parts = [whole.representatives - rest, *(rest * (n + 1) // later - rest * n // later for n in range(later))]
    return [Budget(part, whole.audit if place == later else 0) for place, part in enumerate(parts)]


def pick_uncertain(vectors: Floats, margin: NDArray[np.float32], taken: Ints, budget: Budget, seed: int) -> Chosen:
    """Representatives among the rows of lowest margin, one a k-means cell; then the audit from all others."""
    margin = margin.copy()
    margin[taken] = np.inf
    wanted = min(budget.representatives, len(margin) - len(taken))
    candidates = np.argsort(margin, kind="stable")[: min(CANDIDATES * wanted, len(margin) - len(taken))]
    if wanted > CELL_ROWS:  # more than are compared with one another at a time
        rows = pick(vectors, np.sort(candidates), wanted, seed=seed)
    else:
        candidates = candidates[:CELL_ROWS]
        picked = _diverse(unit(vectors[candidates]), 1 - margin[candidates], wanted, seed)
        rows = np.sort(candidates[picked]).astype(np.int64)
    audit = draw_audit(len(vectors), np.concatenate([taken, rows]), budget.audit, seed)
    return Chosen(np.concatenate([rows, audit]), np.arange(len(rows) + len(audit)) >= len(rows))


def margins(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) by how much the best tag of a row beats the second; 1 where there is no second."""
    if scores.shape[1] < 2:
        return np.ones(len(scores), np.float32)
    top = np.partition(scores, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0], np.float32)


def _diverse(rows: NDArray[np.float32], weight: NDArray[np.float32], count: int, seed: int) -> Ints:
    if count >= len(rows):
        return np.arange(len(rows))
    from sklearn.cluster import KMeans

    weight = np.clip(weight, 1e-3, 1)
    model = KMeans(count, n_init=1, max_iter=20, random_state=seed % 2**32).fit(rows, sample_weight=weight)
    apart = ((rows - model.cluster_centers_[model.labels_]) ** 2).sum(axis=1)
    order = np.lexsort((apart, model.labels_))
    first = np.unique(model.labels_[order], return_index=True)[1]
    found = order[first]
    rest = np.setdiff1d(np.arange(len(rows)), found)
    return np.concatenate([found, rest[: count - len(found)]]).astype(np.int64)
