"""The numbers a text states, in figures and in words. Reads; interprets nothing."""

from __future__ import annotations

import math
import re

_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
    "hundred": 100, "thousand": 1000, "million": 1_000_000, "dozen": 12, "twice": 2, "double": 2, "doubled": 2,
    "doubles": 2,
    "thrice": 3, "triple": 3, "tripled": 3, "triples": 3, "half": 0.5, "third": 1 / 3, "quarter": 0.25, "fourth": 0.25,
    "fifth": 0.2, "couple": 2, "pair": 2, "once": 1, "single": 1, "quadruple": 4, "tenth": 0.1, "sixth": 1 / 6,
    "eighth": 1 / 8,
}  # fmt: skip
#: What a unit implies without being written: days in a week, minutes in an hour, cents in a dollar, …
_IMPLIED: dict[str, tuple[float, ...]] = {
    "week": (7, 5), "weekly": (7,), "weeks": (7, 5), "day": (24, 7), "days": (24, 7), "hour": (60,), "hours": (60,),
    "minute": (60,),
    "minutes": (60,), "year": (12, 52, 365), "years": (12, 52, 365), "month": (12, 30, 4), "months": (12, 30, 4),
    "dozen": (12,),
    "dozens": (12,), "feet": (12, 3), "foot": (12,), "yards": (3,), "yard": (3,), "percent": (100,),
    "cents": (100,), "dollar": (100,),
    "quarters": (25, 4, 0.25), "dimes": (10, 0.1), "nickels": (5, 0.05), "pennies": (0.01,), "pound": (16,),
    "pounds": (16,),
    "average": (2, 3, 4, 5), "half": (2,), "third": (3,), "quarter": (4, 25), "pair": (2,), "pairs": (2,),
    "weekday": (5,),
    "weekdays": (5,), "weekend": (2,), "weekends": (2,), "gallon": (4, 8, 16), "gallons": (4, 8, 16),
    "february": (28,), "june": (30,),
    "couple": (2,), "twins": (2,), "decade": (10,), "decades": (10,), "century": (100,), "annual": (12,),
    "km": (1000,), "kg": (1000,),
}  # fmt: skip
_FIGURE = re.compile(r"\d+(?:\.\d+)?(?:\s*/\s*\d+)?|\.\d+")
_PERCENT = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)\s*(?:%|percent)")
_WORD = re.compile(r"[a-z]+")


def stated(text: str) -> list[float]:
    """Numbers a plain text states, in order of first mention, each once; fractions by value, number words as
    numbers."""
    found = [_figure(m.group()) for m in _FIGURE.finditer(text)]
    found += [float(_WORDS[word]) for word in _WORD.findall(text.lower()) if word in _WORDS and word != "one"]
    return list(dict.fromkeys(value for value in found if value is not None and math.isfinite(value)))


def _figure(text: str) -> float | None:
    top, _, bottom = text.partition("/")
    if not bottom:
        return float(top)
    return float(top) / float(bottom) if float(bottom) else None


def derived(text: str) -> list[float]:
    """Numbers a reader may use without deriving them: parts of fractions, percentages as shares, what units imply."""
    found: list[float] = []
    for m in _FIGURE.finditer(text):
        found += [float(part) for part in m.group().split("/")]
    for m in _PERCENT.finditer(text):
        share = float(m.group(1))
        found += [share / 100, 100 - share, 100 + share, 1 - share / 100, 1 + share / 100, 100.0]
    for word in _WORD.findall(text.lower()):
        found += _IMPLIED.get(word, ())
        if word in _WORDS:
            value = float(_WORDS[word])
            found += [value, 1 / value] if value else [value]
    return list(dict.fromkeys(value for value in found if math.isfinite(value)))


class NumberSet:
    """Numbers looked up with a relative tolerance of one in a million."""

    def __init__(self, numbers: list[float] | tuple[float, ...] = ()) -> None:
        self._keys: set[str] = set()
        for number in numbers:
            self.add(number)

    @staticmethod
    def key(number: float) -> str:
        """What equal numbers share."""
        return f"{abs(number):.6g}"

    def add(self, number: float) -> None:
        self._keys.add(self.key(number))

    def __contains__(self, number: float) -> bool:
        return self.key(number) in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def overlap(self, other: NumberSet) -> int:
        """How many numbers stand in both."""
        return len(self._keys & other._keys)
