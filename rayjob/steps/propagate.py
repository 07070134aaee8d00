"""The propagate step: fits on the bought labels, dimension by dimension, then labels blocks of rows. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.labels.tags import LabelValue
from rayjob.spec.spread import PropagateStep
from rayjob.vectors.audit import Promise, Threshold
from rayjob.vectors.check import Floats, SpreadError
from rayjob.vectors.propagate import Settings, anchor, needs_anchors
from rayjob.vectors.represent import Chosen
from rayjob.vectors.rounds import margins
from rayjob.vectors.spread import Fitted, Plan, accept, fit_and_audit
from rayjob.vectors.targets import read_targets


@dataclass(frozen=True, slots=True)
class Spreader:
    """All dimensions, fitted. Picklable: the engine puts it into the object store once and maps blocks with it.

    `uids[dimension]`: the rows that its model was fitted on, in that order.
    """

    fitted: Mapping[str, Fitted]
    uids: Mapping[str, Sequence[str]]

    def __call__(self, vectors: Floats) -> list[dict[str, Propagated]]:
        """For each row of the block, each dimension's label."""
        by_dimension = {name: self._label(name, fitted, vectors) for name, fitted in self.fitted.items()}
        return [{name: found[row] for name, found in by_dimension.items()} for row in range(len(vectors))]

    def margin(self, vectors: Floats) -> NDArray[np.float32]:
        """(n,) the least margin over the dimensions: where the next round buys."""
        found = [margins(fitted.propagator.predict(vectors).scores) for fitted in self.fitted.values()]
        return np.asarray(np.min(found, axis=0), np.float32)

    def thresholds(self) -> dict[str, Threshold]:
        """What the audit allows, by dimension."""
        return {name: fitted.threshold for name, fitted in self.fitted.items()}

    def _label(self, name: str, fitted: Fitted, vectors: Floats) -> list[Propagated]:
        uids = self.uids[name]
        seen = fitted.propagator.predict(vectors)
        labels = fitted.propagator.labels(seen)
        accepted = accept(seen, fitted.threshold)
        return [
            Propagated(
                labels[row],
                float(seen.confidence[row]),
                bool(accepted[row]),
                tuple(uids[source] for source in seen.sources.rows[row]),
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
        self, vectors: Floats, bought: Chosen, uids: Sequence[str], labels: Mapping[str, Sequence[LabelValue | None]]
    ) -> Spreader:
        """`vectors`: of the whole table (n, d), a memory map will do; `uids`, `labels[dimension]` follow `bought.rows`.

        A row whose label is missing (None, or an empty tag) teaches and audits nothing in that dimension: no answer is
        no tag. Raises SpreadError where nothing was bought.
        """
        settings = self.plan.settings
        anchored = anchor(vectors, bought, settings, self.plan.seed) if needs_anchors(settings) else None
        fitted: dict[str, Fitted] = {}
        known: dict[str, tuple[str, ...]] = {}
        for name, values in labels.items():
            answers = {place: label for place, label in enumerate(values) if label is not None and label != ""}
            if not answers:
                raise SpreadError(_NOTHING.format(name=name, asked=len(bought.rows)))
            kept, targets = np.array(list(answers), np.int64), read_targets(list(answers.values()))
            there = None if anchored is None else replace(anchored, places=anchored.places[kept])
            fitted[name] = fit_and_audit(vectors[bought.rows[kept]], bought.take(kept), targets, there, self.plan)
            known[name] = tuple(uids[place] for place in kept)
        return Spreader(fitted, known)


_NOTHING = (
    "dimension {name}: none of the {asked} rows that were asked about has a label, so there is nothing to spread; see "
    "`unmapped` and `issues` in labels/ for what was answered, or leave the dimension out of `ask`"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows in one dimension; the rest of `rows` was sent on.

    bought: labelled by who was asked. failed: chosen, and their question failed. missing: asked about, and the answer
    held no tag of this dimension.
    """

    rows: int
    bought: int
    spread: int
    failed: int = 0
    missing: int = 0

    @property
    def sent_on(self) -> int:
        """Neither asked about nor accepted."""
        return self.rows - self.bought - self.spread - self.failed - self.missing


@dataclass(frozen=True, slots=True)
class SpreadSummary:
    """What the report says of one dimension: counts (see Counts), the threshold, costs in USD.

    cost_all_usd: of labelling every row.
    """

    dimension: str
    rows: int
    bought: int
    spread: int
    sent_on: int
    failed: int
    missing: int
    threshold: float | None
    audited: int
    precision: float | None
    precision_low: float
    precision_high: float
    reason: str
    cost_usd: float
    cost_all_usd: float


def summarise(
    dimension: str, threshold: Threshold, counts: Counts, cost_usd: float = 0.0, cost_all_usd: float = 0.0
) -> SpreadSummary:
    """Counts, threshold and costs of one dimension in one row."""
    return SpreadSummary(
        dimension, counts.rows, counts.bought, counts.spread, counts.sent_on, counts.failed, counts.missing,
        threshold.value, threshold.audited, threshold.precision if threshold.accepted else None, threshold.low,
        threshold.high, threshold.reason, cost_usd, cost_all_usd,
    )  # fmt: skip
