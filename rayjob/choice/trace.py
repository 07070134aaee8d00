"""What a reasoning computes and from what: its checks, their provenance, the numbers it ends on. No judgement yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayjob.choice.answers import answer_key, answer_value
from rayjob.choice.arithmetic import tokenize
from rayjob.choice.equations import Check, find_checks
from rayjob.choice.notation import plain
from rayjob.choice.quantities import NumberSet, derived, stated

#: Numbers anybody may bring along.
SMALL = (0.0, 1.0, 2.0, 100.0)


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, read once for all its reasonings."""

    text: str
    words: str
    numbers: tuple[float, ...]
    known: NumberSet


@dataclass(slots=True)
class Trace:
    """One reasoning, read: equations with provenance, numbers in order, the answer. Lists run in the order of the
    text."""

    text: str
    lower: str
    answer: str
    key: str
    value: float | None
    checks: list[Check]
    numbers: list[float]
    sources: list[frozenset[str]] = field(default_factory=list)
    unsupported: list[int] = field(default_factory=list)
    used_results: set[int] = field(default_factory=set)
    results: NumberSet = field(default_factory=NumberSet)


def read_problem(question: str) -> Problem:
    """The question's plain text, the numbers it states and those it lets a reader assume."""
    text = plain(question)
    numbers = tuple(stated(text))
    return Problem(text, text.lower(), numbers, NumberSet([*numbers, *derived(text), *SMALL]))


def read_trace(problem: Problem, reasoning: str, answer: str) -> Trace:
    """The reasoning's checks, each operand traced to the question or to an earlier result."""
    text = plain(reasoning)
    trace = Trace(
        text, text.lower(), answer, answer_key(answer), answer_value(answer), find_checks(text), stated_in_order(text)
    )
    given = NumberSet(problem.numbers)
    made: dict[str, int] = {}
    for index, check in enumerate(trace.checks):
        sources: set[str] = set()
        missing = 0
        for operand in check.operands:
            key = NumberSet.key(operand)
            if key in made:
                sources |= trace.sources[made[key]]
                trace.used_results.add(made[key])
            elif operand in given:
                sources.add(key)
            elif operand not in problem.known:
                missing += 1
        trace.sources.append(frozenset(sources))
        trace.unsupported.append(missing)
        made[NumberSet.key(check.result)] = index
        trace.results.add(check.result)
    return trace


def stated_in_order(text: str) -> list[float]:
    """Every number of a plain text as often as it stands there."""
    return [float(token.text) for token in tokenize(text) if token.kind == "num"]
