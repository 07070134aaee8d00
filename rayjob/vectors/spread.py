"""The whole way without Ray: choose rows, have them labelled, spread, audit, accept. Labels nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.audit import Promise, Threshold, find_threshold
from rayjob.vectors.check import Bools, Floats, Ints, SpreadError, blocks, check_vectors
from rayjob.vectors.propagate import Anchored, Prediction, Propagator, Settings, anchor, fit, is_right, needs_anchors
from rayjob.vectors.represent import Budget, Chosen, Selection, join_chosen, represent
from rayjob.vectors.rounds import margins, pick_uncertain, plan_rounds
from rayjob.vectors.targets import Label, Targets, read_targets

#: The rows to label in, their labels in the same order out.
Ask = Callable[[Ints], Sequence[Label]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is bought, how it spreads and what is promised. `folds`: models that judge audit rows they have not seen."""

    budget: float = 0.05
    audit_share: float | None = None
    method: Selection = "kmeans"
    rounds: int | None = None
    settings: Settings = field(default_factory=Settings)
    promise: Promise = field(default_factory=Promise)
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the curve: after so many labels, so large a share of the other rows is accepted."""

    bought: int
    audited: int
    accepted_share: float
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class Spread:
    """The labels bought, the fitted propagator, the threshold, and for every row prediction and acceptance.

    `accepted` is False for bought rows: they have their own label.
    """

    bought: Chosen
    propagator: Propagator
    threshold: Threshold
    prediction: Prediction
    accepted: Bools
    curve: tuple[Step, ...]


def spread(vectors: Floats, ask: Ask, plan: Plan, tags: Sequence[str] = (), multi: bool | None = None) -> Spread:
    """Buy labels of `plan.budget` rows and spread them over all n rows of `vectors` (n, d).

    Raises SpreadError for vectors that are not finite, a budget that buys nothing, labels of the wrong kind.
    """
    check_vectors(vectors)
    purse = _Purse(ask, tuple(tags), multi)
    budgets = plan_rounds(plan.budget, len(vectors), plan.audit_share, plan.rounds)
    for number, budget in enumerate(budgets):
        seed = plan.seed + number
        if number == 0:
            purse.buy(represent(vectors, budget, plan.method, seed))
        else:
            margin = _margins(vectors, purse.chosen, purse.targets(), plan)
            purse.buy(pick_uncertain(vectors, margin, purse.chosen.rows, budget, seed))
    result = conclude(vectors, purse.chosen, purse.targets(), plan)
    return replace(result, curve=(*_earlier(vectors, purse, plan, budgets), *result.curve))


def _margins(vectors: Floats, bought: Chosen, targets: Targets, plan: Plan) -> NDArray[np.float32]:
    anchored = anchor(vectors, bought, plan.settings, plan.seed) if needs_anchors(plan.settings) else None
    model = fit(vectors[bought.rows], targets, plan.settings, anchored)
    return np.concatenate([margins(model.predict(vectors[part]).scores) for part in blocks(len(vectors))])


def _earlier(vectors: Floats, purse: _Purse, plan: Plan, budgets: list[Budget]) -> list[Step]:
    """The curve's points before the last round: what its audit would have accepted with fewer representatives."""
    is_audit = purse.chosen.is_audit
    steps: list[Step] = []
    for bought in np.cumsum([budget.representatives for budget in budgets])[:-1]:
        kept = np.flatnonzero((np.arange(len(is_audit)) < bought) | is_audit)
        steps += conclude(vectors, purse.chosen.take(kept), purse.targets().take(kept), plan).curve
    return steps


@dataclass(frozen=True, slots=True)
class Fitted:
    """What one dimension needs to be spread block by block: the propagator and the threshold. Picklable."""

    propagator: Propagator
    threshold: Threshold


def fit_and_audit(labelled: Floats, bought: Chosen, targets: Targets, anchored: Anchored | None, plan: Plan) -> Fitted:
    """Threshold from the audit rows, propagator from all bought rows; `labelled`: their vectors, in the same order."""
    threshold = audit(labelled, bought, targets, anchored, plan)
    return Fitted(fit(labelled, targets, plan.settings, anchored), threshold)


def conclude(vectors: Floats, bought: Chosen, targets: Targets, plan: Plan) -> Spread:
    """From labels already bought to labels accepted, the whole table in memory."""
    anchored = anchor(vectors, bought, plan.settings, plan.seed) if needs_anchors(plan.settings) else None
    fitted = fit_and_audit(vectors[bought.rows], bought, targets, anchored, plan)
    prediction = fitted.propagator.predict(vectors)
    accepted = accept(prediction, fitted.threshold)
    accepted[bought.rows] = False
    rest = max(1, len(vectors) - len(bought.rows))
    share = float(accepted.sum()) / rest
    step = Step(len(bought.rows), fitted.threshold.audited, share, fitted.threshold)
    return Spread(bought, fitted.propagator, fitted.threshold, prediction, accepted, (step,))


def accept(prediction: Prediction, threshold: Threshold) -> Bools:
    """(n,) True where the confidence reaches the threshold; nowhere where there is none."""
    if threshold.value is None:
        return np.zeros(len(prediction), bool)
    return np.asarray(prediction.confidence >= np.float32(threshold.value))


def audit(labelled: Floats, bought: Chosen, targets: Targets, anchored: Anchored | None, plan: Plan) -> Threshold:
    """Cross-fitted: each audit row is judged by a model fitted on the representatives and the other folds' audit rows.

    So no row is judged by a model that saw its label, and yet every label, audit or not, also teaches the final model.
    """
    rows = np.flatnonzero(bought.is_audit)
    if len(rows) < plan.promise.rows_needed:
        return find_threshold(np.zeros(len(rows)), np.zeros(len(rows), bool), plan.promise)
    fold = np.random.default_rng([plan.seed, 2]).permutation(len(rows)) % plan.folds
    confidence, right = np.zeros(len(rows), np.float32), np.zeros(len(rows), bool)
    for held in range(plan.folds):
        judged = rows[fold == held]
        kept = np.setdiff1d(np.arange(len(targets)), judged)
        model = fit(labelled[kept], targets.take(kept), plan.settings, anchored, kept)
        seen = model.predict(labelled[judged])
        confidence[fold == held] = seen.confidence
        right[fold == held] = is_right(seen.chosen, targets.values[judged], plan.settings.match)
    return find_threshold(confidence, right, plan.promise)


class _Purse:
    """What has been bought so far, in the order bought."""

    def __init__(self, ask: Ask, tags: tuple[str, ...], multi: bool | None) -> None:
        self._ask, self._tags, self._multi = ask, tags, multi
        self.chosen = Chosen(np.empty(0, np.int64), np.empty(0, bool))
        self._labels: list[Label] = []

    def buy(self, new: Chosen) -> None:
        self._labels.extend(self._ask(new.rows))
        self.chosen = join_chosen([self.chosen, new])
        if len(self._labels) != len(self.chosen.rows):
            raise SpreadError(f"{len(self.chosen.rows)} rows were asked about, {len(self._labels)} labels came back")

    def targets(self) -> Targets:
        return read_targets(self._labels, self._tags, self._multi)
