"""The represent step: which rows get a bought label, round by round. Asks nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayjob.spec.spread import RepresentStep
from rayjob.vectors.check import Floats, Ints, check_vectors
from rayjob.vectors.represent import Chosen, represent, split_budget
from rayjob.vectors.rounds import pick_uncertain, plan_rounds


class Represent:
    """Chooses rows of a whole table. Raises SpreadError for broken vectors or a budget that buys nothing."""

    def __init__(self, spec: RepresentStep) -> None:
        self.spec = spec

    def rounds(self, rows: int) -> list[int]:
        """Labels to buy in each round."""
        return plan_rounds(self.spec.budget, rows, self.spec.rounds)

    def first(self, vectors: Floats, clusters: Ints | None = None) -> Chosen:
        """The rows of the first round: representatives that cover the table, and the audit."""
        check_vectors(vectors)
        labels = self.rounds(len(vectors))[0]
        budget = split_budget(labels, len(vectors), self.spec.audit_share)
        groups = clusters if self.spec.by_cluster else None
        return represent(vectors, budget, self.spec.method, self.spec.seed, groups)

    def later(self, vectors: Floats, margin: NDArray[np.float32], bought: Chosen, labels: int) -> Chosen:
        """`labels` more rows where the last model's margin (n,) is least, and audit rows at random."""
        budget = split_budget(labels, len(vectors), self.spec.audit_share)
        return pick_uncertain(vectors, margin, bought.rows, budget, self.spec.seed + len(bought.rows))


def join_rounds(rounds: list[Chosen]) -> Chosen:
    """All rows bought so far, in the order bought."""
    return Chosen(
        np.concatenate([chosen.rows for chosen in rounds]), np.concatenate([chosen.is_audit for chosen in rounds])
    )
