"""Features of a reasoning against what the question asks: its last sentence, its cues, what its numbers can come to."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from rayjob.choice.quantities import NumberSet
from rayjob.choice.trace import Problem, Trace

_WORD = re.compile(r"[a-z]{3,}")
_STOP_WORDS = (
    "the and for how many much what does did are was were will would can has have had that this with from they "
    "their there each than then his her she him its all any number find total value when which who you your our per "
    "one two three more less get got"
)
_STOP = frozenset(_STOP_WORDS.split())
_CUES = {
    "left": r"\b(?:left|remain\w*|still)\b",
    "total": r"\b(?:total|altogether|in all|combined|sum)\b",
    "each": r"\b(?:each|every|per|apiece)\b",
    "more": r"\b(?:more|older|taller|longer|greater|extra|additional)\b",
    "less": r"\b(?:less|fewer|younger|shorter|smaller|discount|off)\b",
    "times": r"\b(?:times|twice|double|triple|thrice)\b",
    "share": r"%|\b(?:percent\w*|half|third|quarter|fraction|ratio)\b|\d/\d",
    "average": r"\b(?:average|mean|equally|split|divided)\b",
    "money": r"\b(?:cost|price|pay|paid|spend|spent|earn|profit|sell|sold|dollars?|money)\b",
    "time": r"\b(?:hours?|minutes?|days?|weeks?|months?|years?|speed|old)\b",
    "same": r"\b(?:same|equal)\b",
    "if": r"\bif\b",
}
_CUE_PATTERNS = {name: re.compile(pattern) for name, pattern in _CUES.items()}
#: Above this many numbers almost any answer can be made of them: reachability says nothing and costs much.
MAX_REACH = 4


def asked_features(problem: Problem, trace: Trace) -> dict[str, float]:
    """Features by name; the `question_*` cues are the same for every reasoning of a question and only colour the
    others."""
    return {
        **_questions(problem.words, len(problem.numbers)),
        **_words(problem, trace),
        **_structure(problem, trace),
        **_reach(problem, trace),
    }


@lru_cache(maxsize=4096)
def _cues(words: str) -> tuple[tuple[str, float], ...]:
    last = last_question(words)
    found = [(f"cue_{name}", float(bool(pattern.search(words)))) for name, pattern in _CUE_PATTERNS.items()]
    return (*found, *((f"asks_{name}", float(bool(pattern.search(last)))) for name, pattern in _CUE_PATTERNS.items()))


def _questions(words: str, numbers: int) -> dict[str, float]:
    return {**dict(_cues(words)), "cue_numbers": math.log1p(numbers), "cue_chars": math.log1p(len(words))}


def last_question(words: str) -> str:
    """The sentence that asks: the last with a question mark, else the last."""
    parts = [part for part in re.split(r"(?<=[.?!])\s+", words.strip()) if part]
    asking = [part for part in parts if part.endswith("?")]
    return (asking or parts or [""])[-1]


def _content(text: str) -> set[str]:
    return {word.rstrip("s") for word in _WORD.findall(text) if word not in _STOP}


def _words(problem: Problem, trace: Trace) -> dict[str, float]:
    asked, whole = _content(last_question(problem.words)), _content(problem.words)
    parts = [part for part in re.split(r"(?<=[.?!])\s+|\n+", trace.lower) if part.strip()]
    end, body = _content(" ".join(parts[-1:])), _content(trace.lower)
    return {
        "asked_in_end": len(asked & end) / max(1, len(asked)),
        "asked_in_text": len(asked & body) / max(1, len(asked)),
        "question_in_text": len(whole & body) / max(1, len(whole)),
        "text_beyond_question": len(body - whole) / max(1, len(body)),
        "end_has_answer": float(trace.value is not None and bool(parts) and _says(parts[-1], trace.value)),
    }


def _says(text: str, value: float) -> bool:
    return value in NumberSet([float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)])


def _structure(problem: Problem, trace: Trace) -> dict[str, float]:
    """How often each number of the question goes into the answer, and what the last equation joins."""
    given, results = NumberSet(problem.numbers), trace.results
    last = trace.checks[-1] if trace.checks else None
    uses: dict[str, int] = {}
    for check in trace.checks:
        for operand in {NumberSet.key(x): x for x in check.operands}.values():
            if operand in given:
                uses[NumberSet.key(operand)] = uses.get(NumberSet.key(operand), 0) + 1
    operands = last.operands if last else ()
    n = max(1, len(problem.numbers))
    return {
        "used_twice": math.log1p(sum(count > 1 for count in uses.values())),
        "used_often": float(max(uses.values(), default=0)),
        "last_joins_results": float(sum(operand in results for operand in operands)),
        "last_joins_given": float(sum(operand in given for operand in operands)),
        "last_operands": math.log1p(len(operands)),
        "checks_per_number": math.log((len(trace.checks) + 1) / n),
        "operands_per_number": math.log((sum(len(check.operands) for check in trace.checks) + 1) / n),
        "repeats_result": math.log1p(len(trace.checks) - len(results)),
        "largest_over_answer": _size(max((abs(c.result) for c in trace.checks), default=0.0), trace.value),
    }


def _size(largest: float, value: float | None) -> float:
    if value is None or not largest:
        return 0.0
    return max(-6.0, min(6.0, math.log((largest + 1e-3) / (abs(value) + 1e-3))))


def _reach(problem: Problem, trace: Trace) -> dict[str, float]:
    numbers = problem.numbers
    if trace.value is None or not 2 <= len(numbers) <= MAX_REACH or max(numbers) > 1e7:
        return {"reach_all": 0.0, "reach_some": 0.0, "reach_tried": 0.0}
    whole, some = _reachable(numbers, "%" in problem.text)
    return {"reach_all": float(trace.value in whole), "reach_some": float(trace.value in some), "reach_tried": 1.0}


@lru_cache(maxsize=4096)
def _reachable(numbers: tuple[float, ...], percent: bool) -> tuple[NumberSet, NumberSet]:
    """What + - * / make of all the numbers, each once, and of two or more of them."""
    n = len(numbers)
    made: list[frozenset[float]] = [frozenset()] * (1 << n)
    for i, number in enumerate(numbers):
        shares = {number / 100, 1 - number / 100, 1 + number / 100} if percent and 1 < number <= 100 else set()
        made[1 << i] = frozenset({number, *shares})
    for mask in range(1, 1 << n):
        if mask & (mask - 1):
            made[mask] = frozenset(_joined(made, mask))
    some = NumberSet([value for mask in range(1, 1 << n) if mask & (mask - 1) for value in made[mask]])
    return NumberSet(list(made[-1])), some


def _joined(made: list[frozenset[float]], mask: int) -> set[float]:
    found: set[float] = set()
    part = (mask - 1) & mask
    while part > mask ^ part:
        for a in made[part]:
            for b in made[mask ^ part]:
                found |= {a + b, abs(a - b), a * b}
                found |= {a / b} if b else set()
                found |= {b / a} if a else set()
        part = (part - 1) & mask
    # Rounded so that equal values reached by different ways are one value.
    return {round(value, 9) for value in found if value < 1e12}
