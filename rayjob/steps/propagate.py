"""The propagate step: fits on the bought labels, dimension by dimension, then labels blocks of rows. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.tags import LabelValue
from rayjob.spec.spread import PropagateStep
from rayjob.vectors.audit import Promise, Threshold
from rayjob.vectors.check import Bools, Floats
from rayjob.vectors.propagate import Settings, anchor, needs_anchors
from rayjob.vectors.represent import Chosen
from rayjob.vectors.rounds import margins
from rayjob.vectors.spread import Fitted, Plan, accept, fit_and_audit
from rayjob.vectors.targets import read_targets


@dataclass(frozen=True, slots=True)
class Spreader:
    """All dimensions, fitted. Picklable: the engine puts it into the object store once and maps blocks with it."""

    fitted: Mapping[str, Fitted]
    uids: tuple[str, ...]

    def __call__(self, vectors: Floats) -> list[dict[str, Propagated]]:
        """For each row of the block, each dimension's label."""
        by_dimension = {name: self._label(fitted, vectors) for name, fitted in self.fitted.items()}
        return [{name: found[row] for name, found in by_dimension.items()} for row in range(len(vectors))]

    def margin(self, vectors: Floats) -> NDArray[np.float32]:
        """(n,) the least margin over the dimensions: where the next round buys."""
        found = [margins(fitted.propagator.predict(vectors).scores) for fitted in self.fitted.values()]
        return np.asarray(np.min(found, axis=0), np.float32)

    def thresholds(self) -> dict[str, Threshold]:
        """What the audit allows, by dimension."""
        return {name: fitted.threshold for name, fitted in self.fitted.items()}

    def _label(self, fitted: Fitted, vectors: Floats) -> list[Propagated]:
        seen = fitted.propagator.predict(vectors)
        labels = fitted.propagator.labels(seen)
        accepted = accept(seen, fitted.threshold)
        return [
            Propagated(
                labels[row],
                float(seen.confidence[row]),
                bool(accepted[row]),
                tuple(self.uids[source] for source in seen.sources.rows[row]),
                tuple(round(float(distance), 6) for distance in seen.sources.distances[row]),
            )
            for row in range(len(seen))
        ]


@dataclass(frozen=True, slots=True)
class Propagated:
    """A propagated label: how sure, whether accepted, the nearest labelled rows it came from, and how far they are."""

    label: LabelValue
    confidence: float
    accepted: bool
    sources: tuple[str, ...]
    distances: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "sources": list(self.sources), "distances": list(self.distances)}


class Propagate:
    """Fits on bought labels. `seed` draws the anchors and the folds."""

    def __init__(self, spec: PropagateStep, seed: int = 0) -> None:
        settings = Settings(
            method=spec.method, neighbours=spec.neighbours, decay=spec.decay, anchors=spec.anchors,
            sources=spec.sources, match=spec.match,
        )  # fmt: skip
        self.plan = Plan(settings=settings, promise=Promise(spec.precision, spec.risk), seed=seed)

    def fit(
        self, vectors: Floats, bought: Chosen, uids: Sequence[str], labels: Mapping[str, Sequence[LabelValue]]
    ) -> Spreader:
        """`vectors`: of the whole table (n, d), a memory map will do; `uids`, `labels[dimension]` follow `bought.rows`.

        Raises SpreadError where nothing was bought.
        """
        settings = self.plan.settings
        anchored = anchor(vectors, bought, settings, self.plan.seed) if needs_anchors(settings) else None
        labelled = vectors[bought.rows]
        fitted = {}
        for name in labels:
            multi = any(not isinstance(label, str) for label in labels[name])
            targets = read_targets(labels[name], multi=multi)
            fitted[name] = fit_and_audit(labelled, bought, targets, anchored, self.plan)
        return Spreader(fitted, tuple(uids))


@dataclass(frozen=True, slots=True)
class SpreadSummary:
    """What the report says of one dimension; costs in USD, `cost_all_usd` of labelling every row."""

    dimension: str
    rows: int
    bought: int
    spread: int
    sent_on: int
    threshold: float | None
    audited: int
    precision: float | None
    precision_low: float
    precision_high: float
    reason: str
    cost_usd: float
    cost_all_usd: float


def summarise(
    dimension: str, threshold: Threshold, accepted: Bools, bought: int, call_usd: float, otherwise: str
) -> SpreadSummary:
    """`accepted` (n,) is False for bought rows; `call_usd` is what one label cost on average."""
    rows, spread = len(accepted), int(accepted.sum())
    sent_on = rows - bought - spread
    calls = bought + (sent_on if otherwise == "label" else 0)
    return SpreadSummary(
        dimension, rows, bought, spread, sent_on, threshold.value, threshold.audited,
        threshold.precision if threshold.accepted else None, threshold.low, threshold.high, threshold.reason,
        calls * call_usd, rows * call_usd,
    )  # fmt: skip
