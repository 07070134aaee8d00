"""Turns the notations of mathematics in prose (LaTeX, Markdown, Unicode, words) into one plain notation. Computes
nothing."""

from __future__ import annotations

import re

_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SHORT_FRACTION = re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]*)\}")
_NTH_ROOT = re.compile(r"\\sqrt\s*\[(\d+)\]\s*\{([^{}]*)\}")
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|boxed|overline|underline|operatorname)\s*\{([^{}]*)\}"
)
_POWER = re.compile(r"\^\s*\{([^{}]*)\}")
_BASE = re.compile(r"(?<=\d)_\s*(?:\{[^{}]*\}|\w+)")
_SUBSCRIPT = re.compile(r"_\s*(?:\{[^{}]*\}|\w)")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_THOUSANDS = re.compile(r"(?<=\d),(?:\\?!)?(?=\d{3}(?!\d))")
_LIST_MARK = re.compile(r"(?m)^\s*+(?:[-*•]\s+|\(?\d{1,2}[.)]\s+|#+\s*|[Ss]tep\s*\d+\s*[:.)-]*)")
_BETWEEN_NUMBERS = re.compile(r"(?<=[\d)%])(\s*(?:[a-zA-Z]+\s+)?)[xX](?=\s*[$(\d.])")
_LONE_STAR = re.compile(r"\*\*(?!\s*\d)|(?<![\d)\s%\w])\*\*")

#: Longest text that is read; the rest of a longer one is left out (a 100,000-token reasoning costs no more than this).
MAX_CHARS = 20_000

_SYMBOLS = {
    "\\times": "*", "\\cdot": "*", "\\ast": "*", "\\div": "/", "\\pi": " pi ", "\\%": "%", "\\$": "", "\\left": "",
    "\\right": "",
    "\\approx": "≈", "\\implies": ";", "\\Rightarrow": ";", "\\rightarrow": ";", "\\to": ";", "\\quad": ";",
    "\\qquad": ";",
    "\\neq": "≠", "\\ne": "≠", "\\leq": "≤", "\\le": "≤", "\\geq": "≥", "\\ge": "≥", "\\pm": "±",
}  # fmt: skip
_CHARACTERS = {
    "×": "*", "✕": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-", "—": " ; ", "√": "sqrt",
    "π": " pi ", "²": "^2",
    "³": "^3", "½": "(1/2)", "¼": "(1/4)", "¾": "(3/4)", "⅓": "(1/3)", "⅔": "(2/3)", "→": ";", "⇒": ";", "$": "",
    "€": "", "£": "",
    "\u00a0": " ", "\u202f": " ", "’": "'", "`": "", "~": "≈", "≅": "≈",
}  # fmt: skip
_CHARACTER_TABLE = str.maketrans(_CHARACTERS)
_WORDS = (
    (re.compile(r"\bmultiplied by\b|\btimes\b(?=\s*[($\d])", re.I), "*"),
    (re.compile(r"\bdivided by\b", re.I), "/"),
    (re.compile(r"\bplus\b(?=\s*[($\d])", re.I), "+"),
    (re.compile(r"\bminus\b(?=\s*[($\d])", re.I), "-"),
    (re.compile(r"(?<=[\d%)])(\s+of)(?=\s+(?:the\s+)?[($\d])", re.I), "*"),
)


def _until_stable(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    for _ in range(6):
        text, changed = pattern.subn(replacement, text)
        if not changed:
            break
    return text


def plain(text: str) -> str:
    """The text with operators as + - * / ^, fractions as ((a)/(b)), roots as sqrt(a); currency and list marks gone."""
    text = text[:MAX_CHARS]
    text = _LIST_MARK.sub("", text)
    text = text.replace("\\(", " ").replace("\\)", " ").replace("\\[", "\n").replace("\\]", "\n").replace("$$", "\n")
    text = text.replace("\\!", "").replace("\\,", " ").replace("\\;", " ").replace("\\ ", " ").replace("\\\\", "\n")
    text = re.sub(r"\{,\}", ",", text)
    if "\\" in text:
        text = _plain_latex(text)
    text = _BASE.sub("q", text)
    text = text.translate(_CHARACTER_TABLE)
    text = _LONE_STAR.sub("", text).replace("**", "^")
    text = _THOUSANDS.sub("", text)
    text = _BETWEEN_NUMBERS.sub(r"\1*", text)
    for pattern, sign in _WORDS:
        text = pattern.sub(sign, text)
    return text


def _plain_latex(text: str) -> str:
    for _ in range(3):
        text = _until_stable(_WRAPPED, r" \1 ", text)
        text = _until_stable(_FRACTION, r"((\1)/(\2))", text)
        text = _SHORT_FRACTION.sub(r"((\1)/(\2))", text)
        text = _NTH_ROOT.sub(r"((\2)^(1/\1))", text)
        text = _until_stable(_ROOT, r"sqrt(\1)", text)
        text = _POWER.sub(r"^(\1)", text)
    text = _BASE.sub("q", text)  # a number in another base must not be read as decimal
    text = _SUBSCRIPT.sub("", text)
    text = _COMMAND.sub(lambda found: _SYMBOLS.get(found.group(), " "), text)
    return text.replace("\\%", "%").replace("\\$", "").replace("\\", " ").replace("{", "(").replace("}", ")")
