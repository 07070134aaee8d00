"""How many rows a spread asks about: what is bought is known beforehand, what is sent on only a run can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayjob.labels.tokens import count_tokens
from rayjob.plan.resolve import Resolved
from rayjob.spec.model import JobSpec
from rayjob.spec.spread import AskStep, EmbedStep, PropagateStep, RepresentStep
from rayjob.steps.embed import embed_text
from rayjob.steps.estimate import StepEstimate
from rayjob.steps.represent import Represent
from rayjob.vectors.audit import Promise

#: Of the rows that are not bought, so many are assumed to be sent on to the label steps. Measured: docs/spreading.md.
SENT_ON_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows that the label steps answer for: `bought` (of them `audit`) for certain, others as the audit turns out."""

    rows: float
    bought: int
    audit: int
    by_label: bool
    sends_on: bool
    promise: Promise

    @property
    def least(self) -> float:
        """Where every other label is accepted."""
        return self.bought if self.by_label else 0

    @property
    def most(self) -> float:
        """Where none is."""
        return self.least + (self.rows - self.bought if self.sends_on else 0)

    @property
    def expected(self) -> float:
        """Under the assumption; all of them where the audit is too small for any label to be accepted."""
        return self.least + self.sent_on_share * (self.most - self.least)

    @property
    def sent_on_share(self) -> float:
        """Of the rows that are not bought."""
        return 1.0 if self.audit < self.promise.rows_needed else SENT_ON_SHARE

    def scale(self, steps: Sequence[StepEstimate]) -> list[StepEstimate]:
        """Estimates of all rows as estimates of the rows that are asked about."""
        share = self.expected / self.rows if self.rows else 0.0
        return [replace(step, calls=step.calls * share) for step in steps]

    def describe(self) -> str:
        """A sentence for a person, and a warning below it where the audit is too small."""
        return "\n".join(filter(None, (self._bought(), self._too_few())))

    def _too_few(self) -> str:
        """Why no label can be accepted; empty where the audit is large enough for some."""
        needed = self.promise.rows_needed
        if self.audit >= needed:
            return ""
        return (
            f"warning: no label will be accepted: {100 * self.promise.precision:.4g} % precision at "
            f"{100 * self.promise.risk:.4g} % risk takes {needed:,} audit rows or more, and there are {self.audit:,}; "
            "raise `budget` or `audit_share`, or lower `precision`"
        )

    def _bought(self) -> str:
        who = "asked of the model" if self.by_label else "judged by people or read from a field"
        said = f"spreading: {self.bought:,} of {self.rows:,.0f} rows are {who}, {self.audit:,} of them as audit"
        if not self.sends_on:
            return f"{said}; no other row is asked about"
        return (
            f"{said}; of the others {self.sent_on_share:.0%} are assumed to be sent on: the calls below are for "
            f"{self.expected:,.0f} rows (at least {self.least:,.0f}, at most {self.most:,.0f})"
        )


def find_asked(job: JobSpec, rows: float) -> Asked | None:
    """What a spread of so many rows asks about; None where the spec spreads nothing or has no rows."""
    found = {step.kind: step.settings for step in job.steps}
    represent, ask = found.get("represent", RepresentStep()), found.get("ask", AskStep())
    propagate = found.get("propagate")
    if not isinstance(propagate, PropagateStep) or rows < 1:
        return None
    assert isinstance(represent, RepresentStep)
    assert isinstance(ask, AskStep)
    budgets = Represent(represent).rounds(round(rows))
    audit = sum(budget.audit for budget in budgets)
    bought = audit + sum(budget.representatives for budget in budgets)
    promise = Promise(propagate.precision, propagate.risk)
    return Asked(rows, bought, audit, ask.source == "label", propagate.otherwise == "label", promise)


def estimate_embedding(resolved: Resolved, rows: Sequence[dict[str, Any]], total: float) -> list[StepEstimate]:
    """The calls of an embedding model behind an API, from a sample of prepared rows; none where no API embeds."""
    found = []
    good = [row for row in rows if not row.get("failure")]
    for step in resolved.job.steps_of("embed"):
        spec = step.settings
        assert isinstance(spec, EmbedStep)
        if spec.model in resolved.job.models and good:
            tokens = sum(count_tokens(embed_text(row, spec)) for row in good) / len(good)
            calls = math.ceil(total * len(good) / len(rows) / spec.batch)
            found.append(StepEstimate(step.name, spec.model, calls, 0, round(tokens * spec.batch), 0))
    return found
