"""Clouds of vectors around known centres: what spreading must get right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clouds:
    vectors: NDArray[np.float32]
    truth: NDArray[np.str_]

    def ask(self, rows: NDArray[np.int64]) -> list[str]:
        return [str(label) for label in self.truth[rows]]


def make_clouds(rows: int = 600, classes: int = 5, width: int = 16, noise: float = 0.25, seed: int = 0) -> Clouds:
    """`noise` is the spread of a cloud against the distance of its centre from the origin, summed over all columns."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, width))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    names = rng.integers(classes, size=rows)
    vectors = centres[names] + noise * rng.normal(size=(rows, width)) / np.sqrt(width)
    return Clouds(vectors.astype(np.float32), np.array([f"tag{name}" for name in names]))
