"""What the dimensions of a run have in common in how their confidence foretells being right. Maps nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rayjob.reports.confidence_maps import ALONE, Lean, Outcomes, most_likely, stated_logits

_BELIEF = 2.0  # in dimensions: how much the variances below weigh against what the dimensions show
_VARIANCE = np.array([0.2, 1.0])  # of slope and level between dimensions; a slope varies as much as ALONE says
_ROUNDS = 60


def pool_dimensions(outcomes: Sequence[Outcomes]) -> Lean:
    """The prior that each dimension's logistic map is pulled towards: an empirical-Bayes fit to all of them.

    Slopes and levels are taken to vary normally between dimensions; mean and variance are found by EM with Laplace's
    approximation (Dempster, Laird & Rubin 1977). Dimensions that behave alike are pulled together, others are left to
    their own rows. Of one dimension it is ALONE.
    """
    if len(outcomes) < 2:
        return ALONE
    logits = [stated_logits(one.confidence) for one in outcomes]
    centre = float(np.concatenate(logits).mean())
    lean = Lean(centre, (1.0, 0.0), (0.2, 10.0))
    for _ in range(_ROUNDS):
        fits = [most_likely(x - centre, one, lean) for x, one in zip(logits, outcomes, strict=True)]
        after = _next_lean(lean, np.array([mode for mode, _ in fits]), np.array([spread for _, spread in fits]))
        moved = np.abs(np.subtract(after.mean, lean.mean)).max()
        lean = after
        if moved < 1e-3:
            break
    return lean


def _next_lean(lean: Lean, modes: np.ndarray, spreads: np.ndarray) -> Lean:
    """The M-step; modes and spreads are (dimensions, 2)."""
    count = len(modes)
    mean = modes.mean(axis=0)
    # The mean slope itself leans to 1, as a lone dimension's does.
    own = lean.variance[0] / count
    mean[0] = (mean[0] * ALONE.variance[0] + own) / (ALONE.variance[0] + own)
    # One dimension less than there are: their mean was fitted to them.
    total = ((modes - mean) ** 2 + spreads).sum(axis=0) + _BELIEF * _VARIANCE
    variance = total / (count - 1 + _BELIEF)
    return replace(lean, mean=(float(mean[0]), float(mean[1])), variance=(float(variance[0]), float(variance[1])))
