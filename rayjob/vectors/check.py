"""What every computation on vectors demands of its input: finite numbers, a row each. Repairs nothing silently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Rows taken at a time: 8,192 x 384 float32 is 12 MB, small beside any model.
BLOCK_ROWS = 8192


@dataclass
class SpreadError(Exception):
    """The user must fix the data or the settings: what was found, at which rows, what would do."""

    message: str
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.message}{_list_rows(self.rows)}"


def blocks(rows: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Consecutive slices that cover `rows` rows."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def check_vectors(vectors: Floats) -> None:
    """Read the (n, d) matrix once in blocks. Raises SpreadError for a wrong shape or rows that are not finite."""
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise SpreadError(f"vectors must be a matrix of n rows and d > 0 columns, found shape {vectors.shape}")
    if len(vectors) == 0:
        raise SpreadError("there are no rows to spread labels over")
    bad: list[int] = []
    for part in blocks(len(vectors)):
        bad.extend(int(row) + part.start for row in np.flatnonzero(not_finite(vectors[part])))
    if bad:
        raise SpreadError(
            f"{len(bad)} of {len(vectors)} vectors hold NaN or infinity; embed these rows again or leave them out",
            tuple(bad),
        )


def not_finite(vectors: Floats) -> Bools:
    """(n,) True where a vector holds NaN or infinity."""
    return np.asarray(~np.isfinite(np.asarray(vectors, np.float32)).all(axis=1))


def unit(vectors: Floats) -> NDArray[np.float32]:
    """Rows scaled to length one, as float32; a row of zeros (an empty text) stays zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = rows / np.maximum(length, np.float32(1e-12))
    return scaled


def _list_rows(rows: tuple[int, ...], shown: int = 10) -> str:
    if not rows:
        return ""
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f" (rows {', '.join(map(str, rows[:shown]))}{more})"
