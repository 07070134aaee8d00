"""Finds the equations in a reasoning and says which hold. Reads prose, LaTeX and chains (a = b = c); solves nothing."""

from __future__ import annotations

from dataclasses import dataclass

from rayjob.choice.arithmetic import CONSTANTS, FUNCTIONS, Token, Value, evaluate, tokenize

#: Words that stand for "=" after an expression with an operator ("30% of 30 is 9").
EQUALS_WORDS = frozenset({"is", "equals", "equal", "gives", "are", "makes", "yields", "totaling"})
_LINKS = EQUALS_WORDS | {
    "to",
    "us",
    "which",
    "we",
    "a",
    "total",
    "of",
    "that",
    "that's",
    "or",
    "simply",
    "the",
    "so",
    "about",
    "just",
}
MAX_SIDE_TOKENS = 60
WEAK = ("", "%", "/", "-")  # operators of a bare fraction or a negative number, which need no arithmetic
MAX_UNIT_WORDS = 5
GLUED_UNITS = frozenset({"m", "cm", "km", "kg", "ft", "mm", "th", "st", "nd", "rd", "lb", "oz", "mL", "ml", "am", "pm"})


@dataclass(frozen=True, slots=True)
class Check:
    """An equation whose two sides were evaluated: does it hold, exactly or as rounded; the number it arrives at."""

    left: Value
    right: Value
    holds: bool
    exact: bool
    result: float
    at: int
    relation: str

    @property
    def operands(self) -> tuple[float, ...]:
        """Numbers of the side with the operators: what the result was made of."""
        return self.left.operands if self.left.operators else self.right.operands

    @property
    def operators(self) -> str:
        """Operators of the side that computes."""
        return self.left.operators or self.right.operators


def find_checks(text: str) -> list[Check]:
    """Every equation in a text in plain notation (`notation.plain`) that has an operator and two readable sides, in
    order."""
    found: list[Check] = []
    for clause in _clauses(tokenize(text)):
        found.extend(_check_clause(clause))
    return found


def _clauses(tokens: list[Token]) -> list[list[Token]]:
    clauses: list[list[Token]] = [[]]
    for index, token in enumerate(tokens):
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if token.kind != "stop" or (token.text == "," and _comma_inside(clauses[-1])):
            clauses[-1].append(token)
        elif token.text != "\n" or following not in ("=", "≈"):
            clauses.append([])
    return [clause for clause in clauses if len(clause) > 2]


def _comma_inside(clause: list[Token]) -> bool:
    """Whether the comma follows an expression and may be followed by "which is": kept, to be read as a link."""
    return bool(clause) and any(token.kind == "op" for token in clause[-8:])


def _check_clause(clause: list[Token]) -> list[Check]:
    sides, relations = _split(clause)
    found = []
    for left, right, relation in zip(sides, sides[1:], relations, strict=False):
        left = _without_link(left) if relation == "is" else left
        value = _read_end(left)
        if (
            value is not None
            and value.operators in (WEAK if relation == "is" else ("", "%"))
            and any(_is_word(token) for token in left)
        ):
            value = None  # "Day 2 amount = 4000 * 2", "1/4 of the rest, which is 10": a name, not a side
        check = _compare(value, _read_start(right), relation, right)
        if check is not None:
            found.append(check)
    return found


def _without_link(side: list[Token]) -> list[Token]:
    """The side without the words that lead on to "is" ("…, which")."""
    end = len(side)
    while end and (side[end - 1].text.lower() in _LINKS or side[end - 1].text == ","):
        end -= 1
    return side[:end]


def _split(clause: list[Token]) -> tuple[list[list[Token]], list[str]]:
    sides: list[list[Token]] = [[]]
    relations: list[str] = []
    for token in clause:
        is_word = token.kind == "word" and token.text.lower() in EQUALS_WORDS
        if token.text in ("=", "≈") or (is_word and _has_operator(sides[-1])):
            relations.append(token.text if token.kind == "rel" else "is")
            sides.append([])
        elif token.kind == "rel":
            relations.append("")
            sides.append([])
        else:
            sides[-1].append(token)
    return sides, relations


def _has_operator(side: list[Token]) -> bool:
    return any(token.text in ("+", "-", "*", "/") for token in side)


def _starts(token: Token) -> bool:
    return token.kind == "num" or token.text in ("(", "-") or token.text in FUNCTIONS or token.text in CONSTANTS


def _read_end(side: list[Token]) -> Value | None:
    """The longest expression the side ends with."""
    side = side[-MAX_SIDE_TOKENS:]
    for start, token in enumerate(side):
        if _starts(token) and not _binds_left(side, start):
            value = evaluate(drop_units(side[start:]))
            if value is not None:
                return value
    return None


def _binds_left(side: list[Token], start: int) -> bool:
    """Whether what stands before the start belongs to it ("x + 3", "f(3)", "roll-ups"): then this is no whole side."""
    if start == 0:
        return False
    before, token = side[start - 1], side[start]
    if before.text == "-" and start > 1 and side[start - 2].kind == "word":
        return False
    if before.text == "(":
        return start > 1 and side[start - 2].end == before.at
    if before.text in ("+", "-", "*", "/", "^", "%"):
        return True
    return token.text == "-" or (token.text == "(" and before.end == token.at)


def _read_start(side: list[Token]) -> Value | None:
    """The longest expression the side begins with, after words that only link ("equal to", "a total of")."""
    side = side[:MAX_SIDE_TOKENS]
    start = 0
    while start < len(side) and (side[start].text.lower() in _LINKS or side[start].text in (",", "=", "≈")):
        start += 1
    if start >= len(side) or not _starts(side[start]):
        return None
    for end in range(len(side), start, -1):
        if end < len(side) and side[end].text in ("*", "/", "^", "+", "-", "("):
            continue
        value = evaluate(drop_units(side[start:end]))
        if value is not None:
            return value
    return None


def drop_units(tokens: list[Token]) -> list[Token]:
    """The expression without units: words after a number, remarks in brackets, "/day". Empty where it is more than
    that."""
    kept: list[Token] = []
    index = words = 0
    while index < len(tokens):
        token, following = tokens[index], _at(tokens, index + 1)
        words = words + 1 if _is_word(token) else 0
        if (
            words > MAX_UNIT_WORDS
            or token.kind in ("stop", "rel")
            or (_is_word(token) and (not kept or _is_variable(tokens, index)))
        ):
            return []
        if token.text == "(" and following is not None and _is_word(following) and not _is_variable(tokens, index + 1):
            index = _after_bracket(tokens, index)
        elif (
            token.text in ("/", "-")
            and following is not None
            and _is_word(following)
            and kept
            and len(following.text) > 1
        ):
            index += 2
        elif token.text == "(" and kept and kept[-1].kind == "num" and kept[-1].end != token.at:
            return []
        else:
            if not _is_word(token):
                kept.append(token)
            index += 1
    return kept


def _at(tokens: list[Token], index: int) -> Token | None:
    return tokens[index] if index < len(tokens) else None


def _is_variable(tokens: list[Token], index: int) -> bool:
    """Whether a word is a name in algebra rather than a unit: one letter, or glued to the number before it ("12ab")."""
    token = tokens[index]
    glued = index > 0 and tokens[index - 1].end == token.at and len(token.text) <= 2
    return (glued and token.text not in GLUED_UNITS) or (len(token.text) == 1 and token.text not in ("a", "I", "s"))


def _is_word(token: Token) -> bool:
    return token.kind == "word" and token.text not in FUNCTIONS and token.text not in CONSTANTS


def _after_bracket(tokens: list[Token], index: int) -> int:
    depth = 0
    for place in range(index, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place].text, 0)
        if depth == 0:
            return place + 1
    return len(tokens)


def _compare(left: Value | None, right: Value | None, relation: str, side: list[Token]) -> Check | None:
    if left is None or right is None or not relation or not (left.operators.strip("%") or right.operators.strip("%")):
        return None
    if any(token.text.lower() in ("remainder", "mod") for token in side):
        return None
    exact = _close(left.value, right.value, 1e-6)
    slack = 0.51 * 10.0 ** -min(right.decimals, 6) if right.decimals else (0.51 if relation == "≈" else 0.0)
    words = {token.text.lower() for token in side}
    scaled = bool(words & {"%", "cents", "cent", "percent"}) and (
        _close(left.value, right.value * 100, 1e-3) or _close(left.value * 100, right.value, 1e-3)
    )
    holds = exact or abs(left.value - right.value) <= slack or scaled
    # 99.996 written for 100 and 33.3 for 33.33…: half a unit of what was written, or a thousandth of it, is rounding.
    holds = holds or (right.decimals > 0 and _close(left.value, right.value, 1e-3))
    result = right.value if not right.operators.strip("%-") or left.operators else left.value
    return Check(left, right, holds, exact, result, side[0].at if side else 0, relation)


def _close(first: float, second: float, tolerance: float) -> bool:
    return abs(first - second) <= tolerance * max(1e-9, abs(first), abs(second))
