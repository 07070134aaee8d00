"""Reads JSON the way models write it: quotes of any kind, bare words, trailing commas, comments. Guesses no values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_OPEN_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
_WORDS: dict[str, object] = {
    "true": True, "false": False, "null": None, "none": None, "True": True, "False": False, "None": None,
}  # fmt: skip
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_BARE = re.compile(r"[^\s,:{}\[\]\"'“‘`]+")
_NUMBER = re.compile(r"-?(?:\d{1,40})(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?\Z")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_MAX_DEPTH = 20


class LooseJsonError(ValueError):
    """Not even loosely JSON; says what was expected and where."""


def read_strict(text: str, start: int) -> object:
    """The JSON value at `start`; raises ValueError."""
    try:
        value: object = json.JSONDecoder().raw_decode(text, start)[0]
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def read_loosely(text: str, start: int) -> object:
    """The value at `start`; a last closing brace may be missing. Raises LooseJsonError."""
    return _Reader(text, start).value(0)


def join_surrogates(text: str) -> str:
    """Pairs of UTF-16 escapes as the characters they are; lone ones, which no file can hold, as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text


@dataclass(slots=True)
class _Reader:
    text: str
    at: int

    def value(self, depth: int) -> object:
        if depth > _MAX_DEPTH:
            raise self.wrong("less nesting")
        match self.peek():
            case "{":
                return self.mapping(depth)
            case "[":
                return self.array(depth)
            case quote if quote in _OPEN_QUOTES:
                return self.string(quote)
            case _:
                return self.word()

    def mapping(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        self.at += 1
        while self.peek() != "}":
            if self.at >= len(self.text) and depth == 0 and found:
                return found  # only the last brace is missing: nothing was lost
            key = self.string(self.peek()) if self.peek() in _OPEN_QUOTES else str(self.word())
            self.expect(":")
            found[key] = self.value(depth + 1)
            if self.peek() == ",":
                self.at += 1
            elif self.peek() not in ("}", ""):
                raise self.wrong("',' or '}'")
        self.at += 1
        return found

    def array(self, depth: int) -> list[object]:
        found: list[object] = []
        self.at += 1
        while self.peek() != "]":
            found.append(self.value(depth + 1))
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != "]":
                raise self.wrong("',' or ']'")
        self.at += 1
        return found

    def string(self, quote: str) -> str:
        close, out, at = _OPEN_QUOTES[quote], [], self.at + 1
        while at < len(self.text):
            char = self.text[at]
            if char == "\\" and at + 1 < len(self.text):
                piece, at = self.escape(at + 1)
                out.append(piece)
            elif char == close and self.ends_string(at + 1):
                self.at = at + 1
                return join_surrogates("".join(out))
            else:
                out.append(char)
                at += 1
        raise self.wrong(f"a closing {close}")

    def escape(self, at: int) -> tuple[str, int]:
        digits = self.text[at + 1 : at + 5]
        if self.text[at] == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", digits):
            return chr(int(digits, 16)), at + 5
        return _ESCAPES.get(self.text[at], self.text[at]), at + 1

    def ends_string(self, at: int) -> bool:
        """An apostrophe inside a word (`'it's'`) does not end a string: what follows an end is punctuation."""
        rest = self.text[at : at + 40].lstrip()
        return not rest or rest[0] in ",:}]/#"

    def word(self) -> object:
        found = _BARE.match(self.text, self.at)
        if not found:
            raise self.wrong("a value")
        self.at = found.end()
        if _NUMBER.match(found[0]):
            number = float(found[0])
            return int(number) if found[0].lstrip("-").isdigit() else number
        return _WORDS.get(found[0], found[0])

    def peek(self) -> str:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        if self.peek() != char:
            raise self.wrong(repr(char))
        self.at += 1

    def wrong(self, expected: str) -> LooseJsonError:
        found = self.text[self.at : self.at + 20] or "the end of the reply"
        return LooseJsonError(f"expected {expected} at character {self.at}, found {found!r}")
