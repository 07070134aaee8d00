"""When two answers are the same: numbers by value, LaTeX and text by their plain form. Knows no gold answer."""

from __future__ import annotations

import math
import re

from rayjob.choice.arithmetic import evaluate, tokenize
from rayjob.choice.equations import drop_units
from rayjob.choice.notation import plain

_LEAD = re.compile(r"^(?:[a-z]\w*(?:\([a-z, ]*\))?\s*[=:∈]\s*|the (?:final )?answer is:?\s*|[#>]+\s*)", re.I)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?|-?\.\d+")


def answer_value(answer: str) -> float | None:
    """The number an answer states ("$70,000", "\\frac{3}{4}", "48 hours", "5 × 3"), None where it is not one number."""
    text = _LEAD.sub("", plain(answer).strip().strip("_*.")).strip()
    tokens = [token for token in tokenize(text) if token.kind != "stop"]
    if any(token.kind == "rel" for token in tokens):
        return _after_last_equals(text)
    value = evaluate(drop_units(tokens))
    if value is not None:
        return value.value / _percent(text, value.operators)
    lone = _NUMBER.findall(text)
    number = float(lone[0]) if len(lone) == 1 and not _has_algebra(text) else math.inf
    return number if math.isfinite(number) else None


def _percent(text: str, operators: str) -> float:
    """ "25%" answers a question for a percentage as 25, not as a quarter."""
    return 0.01 if operators == "%" and text.rstrip().endswith("%") else 1.0


def _after_last_equals(text: str) -> float | None:
    value = evaluate(drop_units([token for token in tokenize(re.split(r"[=≈]", text)[-1]) if token.kind != "stop"]))
    return value.value if value is not None else None


def _has_algebra(text: str) -> bool:
    return bool(re.search(r"\b[b-zA-HJ-Z]\b|[\d)][a-z]\b|sqrt|pi|\^|/|\*", text))


def answer_key(answer: str) -> str:
    """A string that is equal for answers that mean the same: the value to nine digits, else the plain text without
    spaces."""
    value = answer_value(answer)
    if value is not None:
        return f"{value:.9g}" if value else "0"
    return re.sub(r"[\s.,;*_()\"']+", "", plain(answer)).lower()
