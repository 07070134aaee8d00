"""Features of one reasoning: what it checks, where its numbers come from, how it ends. Not who wrote it, nor what
is right."""

from __future__ import annotations

import math
import re

from rayjob.choice.quantities import NumberSet
from rayjob.choice.trace import Problem, Trace

_HEDGES = re.compile(
    r"\b(?:assum\w*|approximate\w*|about|roughly|maybe|perhaps|probably|might|could be|seems?|likely|"
    r"estimate\w*|unclear|"
    r"not (?:possible|specified|given|clear)|cannot be|can't be|unknown|guess|suppose)\b"
)
_REVISIONS = re.compile(
    r"\b(?:wait|however|mistake\w*|incorrect\w*|re-?evaluat\w*|re-?check\w*|re-?consider\w*|re-?calculat\w*|"
    r"correction|error|but this|"
    r"contradict\w*|actually|oops|sorry|apolog\w*|instead|not (?:correct|right|an integer))\b"
)
_CONCLUSIONS = re.compile(r"\b(?:therefore|thus|so|hence|finally|in total|altogether|answer)\b")
_PLANS = re.compile(r"\b(?:need to|we can|first|then|next|let's|let us|to find|calculate|determine|by)\b")
_SENTENCE = re.compile(r"[.!?]\s+|\n+")


def reason_features(problem: Problem, trace: Trace) -> dict[str, float]:
    """Features of one reasoning, by name; finite numbers, in a fixed order."""
    return {
        **_arithmetic(trace),
        **_provenance(problem, trace),
        **_ending(problem, trace),
        **_answer(problem, trace),
        **_prose(trace),
    }


def _arithmetic(trace: Trace) -> dict[str, float]:
    checks, wrong = trace.checks, [check for check in trace.checks if not check.holds]
    n = len(checks)
    return {
        "checks": math.log1p(n),
        "no_checks": float(n == 0),
        "wrong": math.log1p(len(wrong)),
        "any_wrong": float(bool(wrong)),
        "wrong_share": len(wrong) / n if n else 0.0,
        "rounded_share": sum(check.holds and not check.exact for check in checks) / n if n else 0.0,
        "last_wrong": float(n > 0 and not checks[-1].holds),
        "integer_results": sum(_is_integer(check.result) for check in checks) / n if n else 1.0,
        "any_fraction_result": float(any(not _is_integer(check.result) for check in checks)),
        "any_negative_result": float(any(check.result < 0 for check in checks)),
        "operators": math.log1p(sum(len(check.operators) for check in checks)),
        **{f"uses_{name}": float(any(sign in check.operators for check in checks)) for name, sign in _SIGNS},
        **{f"last_{name}": float(n > 0 and sign in checks[-1].operators) for name, sign in _SIGNS},
    }


_SIGNS = (("plus", "+"), ("minus", "-"), ("times", "*"), ("over", "/"), ("percent", "%"), ("power", "^"), ("root", "s"))


def _is_integer(value: float) -> bool:
    return abs(value - round(value)) < 1e-6


def _provenance(problem: Problem, trace: Trace) -> dict[str, float]:
    operands = sum(len(check.operands) for check in trace.checks)
    missing = sum(trace.unsupported)
    stated = NumberSet(trace.numbers)
    used = [number for number in problem.numbers if number in stated]
    computed = NumberSet([operand for check in trace.checks for operand in check.operands])
    in_checks = [number for number in problem.numbers if number in computed]
    total = max(1, len(problem.numbers))
    dangling = sum(index not in trace.used_results for index in range(len(trace.checks) - 1))
    return {
        "unsupported": math.log1p(missing),
        "unsupported_share": missing / operands if operands else 0.0,
        "question_used": len(used) / total,
        "question_unused": math.log1p(total - len(used)),
        "question_all_used": float(len(used) == len(problem.numbers)),
        "question_computed": len(in_checks) / total,
        "question_all_computed": float(len(in_checks) == len(problem.numbers)),
        "dangling": math.log1p(dangling),
        "dangling_share": dangling / len(trace.checks) if trace.checks else 0.0,
        "distinct_results": len(trace.results) / len(trace.checks) if trace.checks else 1.0,
        "new_numbers": math.log1p(
            sum(number not in problem.known and number not in trace.results for number in set(trace.numbers))
        ),
    }


def _ending(problem: Problem, trace: Trace) -> dict[str, float]:
    """How the answer follows from the text: last equation, last number, any equation, any number; what it rests on."""
    value, checks = trace.value, trace.checks
    makers = [i for i, check in enumerate(checks) if value is not None and _same(check.result, value)]
    sources = trace.sources[makers[-1]] if makers else frozenset()
    places = [i for i, number in enumerate(trace.numbers) if value is not None and _same(number, value)]
    n = len(trace.numbers)
    total = max(1, len(problem.numbers))
    return {
        "answer_is_last_result": float(bool(checks) and value is not None and _same(checks[-1].result, value)),
        "answer_is_result": float(bool(makers)),
        "answer_by_wrong": float(bool(makers) and not any(checks[i].holds for i in makers)),
        "answer_is_last_number": float(n > 0 and bool(places) and places[-1] == n - 1),
        "answer_stated": float(bool(places)),
        "answer_absent": float(n > 0 and not places),
        "answer_tail": (n - 1 - places[-1]) / n if places else 1.0,
        "answer_first": places[0] / n if places else 1.0,
        "answer_repeats": math.log1p(len(places)),
        "answer_late_results": math.log1p(len(checks) - 1 - makers[-1]) if makers else 0.0,
        "answer_sources": len(sources) / total,
        "answer_all_sources": float(len(sources) >= len(problem.numbers)),
        "answer_sources_missing": math.log1p(max(0, total - len(sources))),
        "answer_reused": float(bool(makers) and makers[-1] in trace.used_results),
        "answer_maker_unsupported": float(bool(makers) and trace.unsupported[makers[-1]] > 0),
    }


def _answer(problem: Problem, trace: Trace) -> dict[str, float]:
    value, text = trace.value, trace.answer
    known = value is not None
    number = value if value is not None else 0.0
    largest = max((abs(x) for x in problem.numbers), default=1.0)
    decimals = len(re.sub(r"^[^.]*\.?", "", f"{number:.10g}")) if known and "." in f"{number:.10g}" else 0
    return {
        "answer_unread": float(not known),
        "answer_integer": float(known and _is_integer(number)),
        "answer_decimals": float(min(decimals, 4)),
        "answer_negative": float(number < 0),
        "answer_zero": float(known and number == 0),
        "answer_one": float(known and number == 1),
        "answer_size": math.copysign(math.log1p(min(abs(number), 1e15)), number),
        "answer_above": float(known and abs(number) > largest),
        "answer_ratio": max(-8.0, min(8.0, math.log((abs(number) + 1e-3) / (largest + 1e-3)))),
        "answer_in_question": float(known and number in NumberSet(problem.numbers)),
        "answer_round": float(known and _is_integer(number) and number != 0 and round(number) % 10 == 0),
        "answer_even": float(known and _is_integer(number) and round(number) % 2 == 0),
        "answer_chars": math.log1p(min(len(text), 200)),
        "answer_expression": float(bool(re.search(r"\d\s*[-+*/]\s*\(?\s*\$?\d", text))),
        "answer_words": math.log1p(len(re.findall(r"[A-Za-z]{2,}", text))),
    }


def _prose(trace: Trace) -> dict[str, float]:
    text = trace.lower
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    words = max(1, len(text.split()))
    figures = len(trace.numbers)
    empty_sums = sum(not any(c.isdigit() for c in part) for part in sentences)
    repeated = 1 - len({part.strip() for part in sentences}) / len(sentences) if sentences else 0.0
    return {
        "empty": float(not text.strip()),
        "chars": math.log1p(len(text)),
        "sentences": math.log1p(len(sentences)),
        "lines": math.log1p(text.count("\n")),
        "words_per_sentence": math.log1p(words / max(1, len(sentences))),
        "figures": math.log1p(figures),
        "figures_per_word": figures / words,
        "figureless": empty_sums / max(1, len(sentences)),
        "repeated": repeated,
        "equals_unread": math.log1p(max(0, text.count("=") - len(trace.checks))),
        "equals": math.log1p(text.count("=")),
        "hedges": math.log1p(len(_HEDGES.findall(text))),
        "revisions": math.log1p(len(_REVISIONS.findall(text))),
        "conclusions": math.log1p(len(_CONCLUSIONS.findall(text))),
        "plans": len(_PLANS.findall(text)) / max(1, len(sentences)),
        "ends_cut": float(bool(text.strip()) and text.rstrip()[-1] not in ".!?)]}'\"0123456789%*$"),
    }


def _same(first: float, second: float) -> bool:
    return abs(first - second) <= 1e-6 * max(1.0, abs(first), abs(second))
