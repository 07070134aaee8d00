"""Equations with variables: does the solution a reasoning states satisfy them, do its rearrangements hold. Solves
nothing."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from rayjob.choice.arithmetic import CONSTANTS, FUNCTIONS, Token, evaluate, tokenize

#: Points at which two sides of a rearrangement are compared; no small integers, where false identities often hold.
POINTS = (1.7320508, 0.6180339)
MAX_EQUATIONS, MAX_VARIABLES, MAX_SOLUTIONS = 80, 3, 3
#: Letters that name functions when a bracket follows, and words of one letter.
_FUNCTION_NAMES = frozenset("fghPpQqTNCSR")
_WORDS = frozenset({"a", "I", "A", "s"})


@dataclass(frozen=True, slots=True)
class Equation:
    """Two sides as tokens, their variables, and whether it stands inside a chain a = b = c (then it must be an
    identity)."""

    left: list[Token]
    right: list[Token]
    variables: tuple[str, ...]
    chained: bool


def algebra_features(text: str) -> dict[str, float]:
    """How many equations the stated solutions satisfy and how many they do not; how many rearrangements hold."""
    equations = find_equations(text)
    solutions = _solutions(equations)
    checked = [_satisfied(equation, solutions) for equation in equations]
    rearranged = [_is_identity(equation) for equation in equations if equation.chained and _same_names(equation)]
    kept, broken = checked.count(True), checked.count(False)
    true, false = rearranged.count(True), rearranged.count(False)
    return {
        "solved": math.log1p(len(solutions)),
        "solution_fits": math.log1p(kept),
        "solution_fails": math.log1p(broken),
        "solution_fail_share": broken / (kept + broken) if kept + broken else 0.0,
        "solution_any_fail": float(broken > 0),
        "rearranged": math.log1p(true),
        "rearranged_wrong": math.log1p(false),
        "rearranged_any_wrong": float(false > 0),
    }


def find_equations(text: str) -> list[Equation]:
    """Equations of a text in plain notation that have a variable and can be read whole, in order."""
    found: list[Equation] = []
    for clause in _clauses(tokenize(text)):
        sides: list[list[Token]] = [[]]
        for token in clause:
            if token.text == "=":
                sides.append([])
            else:
                sides[-1].append(token)
        for place, (left, right) in enumerate(itertools.pairwise(sides)):
            equation = _read(left, right, place > 0)
            if equation is not None:
                found.append(equation)
            if len(found) >= MAX_EQUATIONS:
                return found
    return found


def _clauses(tokens: list[Token]) -> list[list[Token]]:
    clauses: list[list[Token]] = [[]]
    for index, token in enumerate(tokens):
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if token.kind == "stop" and not (token.text == "\n" and following == "="):
            clauses.append([])
        elif token.kind != "stop":
            clauses[-1].append(token)
    return [clause for clause in clauses if any(token.text == "=" for token in clause)]


def _read(left: list[Token], right: list[Token], chained: bool) -> Equation | None:
    first, second = _tail(left), _head(right)
    if first is None or second is None:
        return None
    variables = tuple(sorted({token.text for token in (*first, *second) if _is_name(token)}))
    if not variables or len(variables) > MAX_VARIABLES:
        return None
    return Equation(first, second, variables, chained)


def _is_name(token: Token) -> bool:
    return token.kind == "word" and len(token.text) == 1


def _belongs(tokens: list[Token], index: int) -> bool:
    """Whether the token can be part of an expression with variables."""
    token = tokens[index]
    if token.kind in ("num", "op") or token.text in FUNCTIONS or token.text in CONSTANTS:
        return True
    if not _is_name(token):
        return False
    before = tokens[index - 1] if index else None
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    if token.text in _FUNCTION_NAMES and after is not None and after.text == "(" and after.at == token.end:
        return False
    if token.text not in _WORDS:
        return True
    touches = (before is not None and before.kind in ("op", "num")) or (after is not None and after.kind == "op")
    return touches or len(tokens) == 1


def _tail(side: list[Token]) -> list[Token] | None:
    """The expression that a side ends with: back to the first token that cannot belong to one."""
    start = len(side)
    while start and _belongs(side, start - 1):
        start -= 1
    if start and start < len(side) and side[start - 1].end == side[start].at:
        return None
    return _sound(side[start:])


def _head(side: list[Token]) -> list[Token] | None:
    end = 0
    while end < len(side) and side[end].kind != "rel" and _belongs(side, end):
        end += 1
    if 0 < end < len(side) and (side[end].at == side[end - 1].end or side[end - 1].text in ("+", "-", "*", "/", "^")):
        return None
    return _sound(side[:end])


def _sound(tokens: list[Token]) -> list[Token] | None:
    names = {token.text: POINTS[0] for token in tokens if _is_name(token)}
    return tokens if tokens and len(tokens) <= 60 and evaluate(tokens, names) is not None else None


def _solutions(equations: list[Equation]) -> dict[str, list[float]]:
    """Values stated for a variable alone ("x = 15"), the last few of each."""
    found: dict[str, list[float]] = {}
    for equation in equations:
        for name_side, value_side in ((equation.left, equation.right), (equation.right, equation.left)):
            if len(name_side) == 1 and _is_name(name_side[0]) and not any(_is_name(token) for token in value_side):
                value = evaluate(value_side)
                if value is not None:
                    found.setdefault(name_side[0].text, []).append(value.value)
    return {name: list(dict.fromkeys(reversed(values)))[:MAX_SOLUTIONS] for name, values in found.items()}


def _satisfied(equation: Equation, solutions: dict[str, list[float]]) -> bool | None:
    """Whether some combination of the stated solutions satisfies the equation; None where it is one, or says
    nothing."""
    if any(name not in solutions for name in equation.variables):
        return None
    if min(len(equation.left), len(equation.right)) == 1 and len(equation.variables) == 1:
        lone = equation.left if len(equation.left) == 1 else equation.right
        if _is_name(lone[0]) and not any(
            _is_name(t) for t in (equation.right if lone is equation.left else equation.left)
        ):
            return None
    for values in itertools.product(*(solutions[name] for name in equation.variables)):
        if _equal(equation, dict(zip(equation.variables, values, strict=True))):
            return True
    return False


def _same_names(equation: Equation) -> bool:
    """Whether both sides speak of the same variables and neither is a lone one: then it rearranges, and defines
    nothing."""
    sides = [{token.text for token in side if _is_name(token)} for side in (equation.left, equation.right)]
    return sides[0] == sides[1] and min(len(equation.left), len(equation.right)) > 1


def _is_identity(equation: Equation) -> bool:
    """Whether both sides are equal at two arbitrary points."""
    holds = [
        _equal(equation, {name: point + 0.37 * n for n, name in enumerate(equation.variables)}) for point in POINTS
    ]
    return all(holds)


def _equal(equation: Equation, values: dict[str, float]) -> bool:
    left, right = evaluate(equation.left, values), evaluate(equation.right, values)
    if left is None or right is None:
        return False
    return abs(left.value - right.value) <= 1e-3 * max(1e-3, abs(left.value), abs(right.value))
