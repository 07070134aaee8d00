"""Evaluates arithmetic written in plain notation, skipping units. No eval; refuses what it cannot
read with None."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

TOKEN = re.compile(
    r"(?P<num>\d+(?:\.\d+)?|\.\d+)|(?P<op>[-+*/^()!%])|(?P<rel>[=≈≠≤≥<>±])|(?P<word>[A-Za-z']+)|(?P<stop>[.,;:?\n\[\]|\"&])"
)
FUNCTIONS = {"sqrt": lambda value: math.sqrt(value) if value >= 0 else None}
CONSTANTS = {"pi": math.pi}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression: kind num, op, rel, word or stop; `at` is its place in the text, in characters."""

    kind: str
    text: str
    at: int

    @property
    def end(self) -> int:
        """The place after its last character."""
        return self.at + len(self.text)


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression comes to, the numbers that stand in it and its operators; `decimals` of a lone number."""

    value: float
    operands: tuple[float, ...]
    operators: str
    decimals: int = 0


@lru_cache(maxsize=8)
def tokenize(text: str) -> list[Token]:
    """Tokens of a text in plain notation; characters that mean nothing in arithmetic are dropped. Not to be changed:
    the same list is given to everybody who reads the text."""
    return [Token(str(m.lastgroup), m.group(), m.start()) for m in TOKEN.finditer(text)]


class _Parser:
    """Recursive descent over num/op tokens: sum > product > power > atom. Raises _Unreadable."""

    def __init__(self, tokens: list[Token], variables: Mapping[str, float] = MappingProxyType({})) -> None:
        self.tokens = tokens
        self.variables = variables
        self.here = 0
        self.operands: list[float] = []
        self.operators: list[str] = []
        self.depth = 0

    def peek(self) -> str:
        return self.tokens[self.here].text if self.here < len(self.tokens) else ""

    def take(self) -> Token:
        self.here += 1
        return self.tokens[self.here - 1]

    def total(self) -> float:
        value = self.product()
        while self.peek() in ("+", "-"):
            sign = self.take().text
            right = self.product()
            self.operators.append(sign)
            value = value + right if sign == "+" else value - right
        return value

    def product(self) -> float:
        value = self.power()
        while True:
            sign = self.peek()
            if sign in ("*", "/"):
                self.take()
            elif sign == "(" or sign in FUNCTIONS or sign in CONSTANTS or sign in self.variables:
                sign = "*"
            else:
                return value
            right = self.power()
            self.operators.append(sign)
            if sign == "/" and right == 0:
                raise _UnreadableError
            value = value * right if sign == "*" else value / right

    def power(self) -> float:
        if self.peek() == "-":
            self.take()
            return -self.power()
        if self.peek() == "+":
            self.take()
            return self.power()
        base = self.postfix()
        if self.peek() != "^":
            return base
        self.take()
        exponent = self.power()
        self.operators.append("^")
        if (
            abs(exponent) > 64
            or abs(base) > 1e9
            or (base < 0 and exponent != int(exponent))
            or (base == 0 and exponent < 0)
        ):
            raise _UnreadableError
        return float(base**exponent)

    def postfix(self) -> float:
        value = self.atom()
        while self.peek() in ("%", "!"):
            if self.take().text == "%":
                value /= 100
                self.operators.append("%")
            elif 0 <= value <= 20 and value == int(value):
                value = float(math.factorial(int(value)))
                self.operators.append("!")
            else:
                raise _UnreadableError
        return value

    def atom(self) -> float:
        if self.here >= len(self.tokens):
            raise _UnreadableError
        token = self.take()
        if token.kind == "num":
            number = float(token.text)
            self.operands.append(number)
            return number
        if token.text in CONSTANTS:
            return CONSTANTS[token.text]
        if token.text in self.variables:
            return self.variables[token.text]
        if token.text in FUNCTIONS:
            result = FUNCTIONS[token.text](self.atom())
            self.operators.append("s")
            if result is None:
                raise _UnreadableError
            return result
        if token.text != "(" or self.depth > 30:
            raise _UnreadableError
        self.depth += 1
        value = self.total()
        self.depth -= 1
        if self.peek() != ")":
            raise _UnreadableError
        self.take()
        return value


class _UnreadableError(Exception):
    """The tokens are no arithmetic expression."""


def evaluate(tokens: list[Token], variables: Mapping[str, float] = MappingProxyType({})) -> Value | None:
    """The value of an expression of num/op tokens (units already dropped), None where it is not one.

    Words that are keys of `variables` stand for their values.
    """
    if not tokens or len(tokens) > 120:
        return None
    parser = _Parser(tokens, variables)
    try:
        value = parser.total()
    except (_UnreadableError, OverflowError):
        return None
    if parser.here != len(tokens) or not math.isfinite(value) or isinstance(value, complex):
        return None
    lone = tokens[0].text if len(tokens) == 1 else ""
    decimals = len(lone.partition(".")[2])
    return Value(value, tuple(parser.operands), "".join(parser.operators), decimals)
