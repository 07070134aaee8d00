"""How many reasonings a plan has written by LLM, and how long their prompts are. Calls nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rayjob.labels.tokens import count_tokens
from rayjob.plan.resolve import Resolved
from rayjob.spec.choice import GenerateStep
from rayjob.steps.estimate import StepEstimate
from rayjob.steps.generate import Generate

#: Of an answer with its reasoning, where the rows bring none to go by.
TOKENS_A_REASONING = 300


def estimate_generating(resolved: Resolved, rows: Sequence[dict[str, Any]], total: float) -> list[StepEstimate]:
    """The calls of `generate`, from a sample of prepared rows; draws that are asked for again are not among them."""
    found = []
    good = [row for row in rows if not row.get("failure")]
    for step in resolved.job.steps_of("generate"):
        spec = step.settings
        assert isinstance(spec, GenerateStep)
        if not good:
            continue
        asks = Generate(step.name, spec, resolved.templates[step.name])
        prompts = [_text(asks, row, side) for row in good for side in asks.sides]
        own = [count_tokens(f"{row['reasoning']} {row['answer']}") for row in good if row.get("reasoning")]
        calls = total * len(good) / len(rows) * len(asks.sides) * spec.samples
        tokens = round(sum(map(count_tokens, prompts)) / len(prompts))
        answer = round(sum(own) / len(own)) if own else TOKENS_A_REASONING
        found.append(StepEstimate(step.name, spec.model, calls, 0, tokens, answer))
    return found


def _text(asks: Generate, row: dict[str, Any], side: str) -> str:
    return "\n".join(message["content"] for message in asks.messages(row, side))
