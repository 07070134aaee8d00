"""A small made-up set in which right reasonings add up and wrong ones do not."""

from __future__ import annotations

from typing import Any

import numpy as np

from rayjob.choice.fit import FitSettings
from rayjob.choice.fold import TrainSettings
from rayjob.choice.trees import TreeSettings

#: Small enough for a test: two members of a few trees and epochs.
QUICK = TrainSettings(
    seeds=(0,), folds=3, siblings=2, fit=FitSettings(hidden=8, epochs=3, trees=TreeSettings(trees=12, patience=12))
)


def made_rows(questions: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    """Two right and two wrong reasonings a question."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(questions):
        a, b = (int(value) for value in rng.integers(2, 50, 2))
        question = f"Question {number}: Ann has {a} pears and buys {b} more. How many pears has she?"
        for model in range(4):
            right = (model + number) % 2 == 0
            total = a + b if right else a + b + int(rng.integers(1, 9))
            rows.append({
                "qid": f"q{number}", "question": question, "model": f"m{model}", "model_acc": 0.4 + model / 10,
                "cot": f"First she has {a}.{' Then.' * int(rng.integers(0, 4))} So {a} + {b} = {total} pears.",
                "answer": str(total), "correct": right, "peer_answers": [str(a + b), str(a + b), str(total + 1)],
            })  # fmt: skip
    return rows


class Memory:
    """Files in memory; `dies_after` writes, the next one is the end of the process."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.writes = 0
        self.dies_after = dies_after

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        if self.dies_after is not None and self.writes >= self.dies_after:
            raise KeyboardInterrupt
        self.writes += 1
        self.files[name] = data
