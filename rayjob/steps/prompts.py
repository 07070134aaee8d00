"""What label prompts of a sample of rows have in common, over rows and over the calls of one row. Calls nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rayjob.labels.tokens import count_tokens
from rayjob.llm.prices import takes_schema
from rayjob.llm.via_litellm import caches_when_told
from rayjob.spec.models import ModelSpec
from rayjob.steps.label import Asking, Label
from rayjob.steps.row import start_row


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of one label step: what every row's begins with, and the rest of each row's."""

    label: Label
    prefix: str
    rest: tuple[str, ...]

    @property
    def fixed_tokens(self) -> int:
        """Tokens that every prompt begins with."""
        return count_tokens(self.prefix)

    @property
    def varying_tokens(self) -> int:
        """The mean of what varies."""
        return round(sum(map(count_tokens, self.rest)) / len(self.rest)) if self.rest else 0


def render_prompts(label: Label, rows: Sequence[dict[str, Any]]) -> Prompts:
    """The prompts of a step for some prepared rows, with labels of the usual length where it reads any."""
    static = len(label.prompt.prefix)
    asking = Asking(label.name, label.spec.model, label.dims)
    rest = []
    for row in rows:
        state = start_row(row)
        state["labels"] = {name: _typical(dimension.select) for name, dimension in label.taxonomy.dimensions.items()}
        messages = label.question(state, asking).messages
        rest.append("\n".join(message["content"] for message in messages[static:]))
    return Prompts(label, "\n".join(message.content for message in label.prompt.prefix), tuple(rest))


def _typical(select: str) -> str | list[str]:
    return "intermediate" if select == "single" else ["python"]


def count_again(mine: Prompts, earlier: Sequence[Prompts], spec: ModelSpec) -> int:
    """Mean tokens, beyond the prefix, of a row's prompt that one of its `earlier` prompts began with too.

    `earlier` went to the same model. None where a provider reads the schema of the answer before the prompt, as the
    calls of a row ask in different forms, and none where it caches no further than the mark.
    """
    same = [other for other in earlier if other.prefix == mine.prefix]
    if schema_leads(spec) or not same or not mine.rest or caches_when_told(spec.model):
        return 0
    tokens = 0
    for number, text in enumerate(mine.rest):
        tokens += count_tokens(text[: max(common_chars(text, other.rest[number]) for other in same)])
    return round(tokens / len(mine.rest))


def schema_leads(spec: ModelSpec) -> bool:
    """Whether the answer's JSON schema goes to the model in front of the prompt: taken for granted of providers.

    OpenAI says so of its own. A server of one's own (vLLM, SGLang) guides the decoding by it and shows it to no model.
    """
    sends = spec.structured == "schema" or (spec.structured == "auto" and takes_schema(spec))
    return sends and spec.api_base is None and not spec.is_offline


def common_chars(one: str, other: str) -> int:
    """How many characters two texts begin with alike; by halving, as texts are long."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
