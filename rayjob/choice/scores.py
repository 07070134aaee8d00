"""How good pairwise predictions are: accuracy with question-bootstrap intervals, calibration, length control. Fits
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A share and its 95 % interval, in [0, 1]."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}–{100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Scores:
    """What predictions on held-out pairs are worth."""

    pairs: int
    questions: int
    accuracy: Interval
    confident_half: Interval
    length_controlled: Interval
    ece: float

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


def hits(logits: Array) -> Array:
    """1 where the winner was preferred, one half for a tie, else 0; logits are winner minus loser."""
    return np.where(logits > 0, 1.0, np.where(logits == 0, 0.5, 0.0))


def bootstrap(
    values: Array, questions: Sequence[str], weights: Array | None = None, rounds: int = 2000, seed: int = 0
) -> Interval:
    """Weighted mean with a percentile interval from resampling whole questions (pairs of a question are not
    independent)."""
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    weight = np.ones(len(values)) if weights is None else weights
    _, place = np.unique(np.asarray(questions), return_inverse=True)
    total, mass = np.bincount(place, values * weight), np.bincount(place, weight)
    drawn = np.random.default_rng(seed).integers(0, len(total), (rounds, len(total)))
    means = total[drawn].sum(axis=1) / np.maximum(mass[drawn].sum(axis=1), 1e-12)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(total.sum() / mass.sum()), float(low), float(high))


def calibration_error(logits: Array, bins: int = 10) -> float:
    """Expected calibration error of the predicted winner's confidence, in bins of equal count."""
    if not len(logits):
        return float("nan")
    confidence, right = 1 / (1 + np.exp(-np.abs(logits))), hits(logits)
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(logits))


def score(logits: Array, questions: Sequence[str], length_differences: Array, seed: int = 0) -> Scores:
    """Scores of held-out pairs; `length_differences` are winner's minus loser's characters.

    Length-controlled: pairs where the longer and where the shorter side is right weigh the same in total.
    """
    right = hits(logits)
    half = np.argsort(-np.abs(logits), kind="stable")[: max(1, len(logits) // 2)]
    names = np.asarray(questions)
    longer = length_differences > 0
    share = float(longer.mean())
    balance = np.where(longer, 0.5 / max(share, 1e-9), 0.5 / max(1 - share, 1e-9))
    return Scores(
        len(logits), len(set(names.tolist())), bootstrap(right, questions, seed=seed),
        bootstrap(right[half], names[half].tolist(), seed=seed), bootstrap(right, questions, balance, seed=seed),
        calibration_error(logits),
    )  # fmt: skip


def fit_temperature(logits: Array) -> float:
    """The temperature that makes sigmoid(logits / T) likeliest, winners being first: golden section over log T.
    Keeps the mirror. Targets are smoothed by one right and one wrong pair (Platt 1999): n right ones prove no
    certainty."""
    doubt = 1 / (len(logits) + 2)
    low, high, golden = np.log(0.05), np.log(20.0), (np.sqrt(5) - 1) / 2

    def loss(log_t: float) -> float:
        scaled = logits / np.exp(log_t)
        return float(((1 - doubt) * np.logaddexp(0, -scaled) + doubt * np.logaddexp(0, scaled)).mean())

    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
