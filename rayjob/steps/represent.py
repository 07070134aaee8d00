"""The represent step: which rows get a bought label, round by round. Asks nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayjob.spec.spread import RepresentStep
from rayjob.vectors.check import Floats, Ints, check_vectors
from rayjob.vectors.represent import Budget, Chosen, represent
from rayjob.vectors.rounds import pick_uncertain, plan_rounds


class Represent:
    """Chooses rows of a whole table. Raises SpreadError for broken vectors or a budget that buys nothing.

    `may_repeat`: whether rounds of its own accord make sense: no person is sent a sheet for each, and there is one
    dimension whose doubt they go by.
    """

    def __init__(self, spec: RepresentStep, may_repeat: bool = False) -> None:
        self.spec, self.may_repeat = spec, may_repeat

    def rounds(self, rows: int) -> list[Budget]:
        """What each round buys; the audit comes with the last."""
        wanted = self.spec.rounds or (None if self.may_repeat else 1)
        return plan_rounds(self.spec.budget, rows, self.spec.audit_share, wanted)

    def first(self, vectors: Floats, clusters: Ints | None = None) -> Chosen:
        """The rows of the first round: they cover the table (with the audit, if it is the only round)."""
        check_vectors(vectors)
        groups = clusters if self.spec.by_cluster else None
        return represent(vectors, self.rounds(len(vectors))[0], self.spec.method, self.spec.seed, groups)

    def later(self, vectors: Floats, margin: NDArray[np.float32], bought: Chosen, number: int) -> Chosen:
        """The rows of round `number` (from 1): where the last margin (n,) is least, diverse among themselves."""
        budget = self.rounds(len(vectors))[number]
        return pick_uncertain(vectors, margin, bought.rows, budget, self.spec.seed + number)
