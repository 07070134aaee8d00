"""Confidence from token probabilities: how likely the model was to write the tags it wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rayjob.labels.taxonomy import Dimension


def confidence_of_tokens(tokens: Sequence[tuple[str, float]], dims: Sequence[Dimension]) -> dict[str, float | None]:
    """Per dimension the probability of its least likely tag; None where the reply has no such key or no tokens.

    A tag's probability is the product over the tokens that overlap it: exp(sum of natural-log probabilities). For an
    empty list it is that of the brackets.
    """
    text = "".join(token for token, _ in tokens)
    return {dim.name: _confidence(text, tokens, dim.name) for dim in dims}


def _confidence(text: str, tokens: Sequence[tuple[str, float]], name: str) -> float | None:
    key = re.search(rf"""["']?{re.escape(name)}["']?\s*:\s*(\[[^\]]*\]|"[^"]*"|'[^']*'|[^\s,}}]+)""", text)
    if key is None:
        return None
    start = key.start(1)
    tags = [(start + tag.start(), start + tag.end()) for tag in re.finditer(r"[^\s,\[\]\"']+", key[1])]
    spans = tags or [(start, key.end(1))]
    return min(min(1.0, math.exp(_log_probability(tokens, span))) for span in spans)


def _log_probability(tokens: Sequence[tuple[str, float]], span: tuple[int, int]) -> float:
    total, at = 0.0, 0
    for token, logprob in tokens:
        if at < span[1] and at + len(token) > span[0]:
            total += logprob
        at += len(token)
    return total
