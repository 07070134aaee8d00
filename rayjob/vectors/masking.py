"""Hides what a text is about and leaves how it goes: content words become a mark, so that structure is compared."""

from __future__ import annotations

import re

#: Words that carry the course of an argument: connectives, negation, modality, order, what reasoners say.
STRUCTURE = frozenset(
    """
    a an the this that these those it its i we you they he she my our your me us them there here and or but nor
    so yet because since as if then else thus hence therefore otherwise unless until while although though
    however moreover furthermore also instead rather still again now first second third next finally last lastly
    before after once when where why how what which who whom whose whether not no never none nothing neither
    cannot can could may might must shall should will would do does did done doing is are was were be been being
    am has have had having of in on at by for from with without to into onto over under between among through
    about against per than both each every all any some most many much more less few only just very too even
    same other another such let lets assume suppose consider given note recall check verify wait hmm maybe
    perhaps actually okay ok yes right wrong correct incorrect mistake error sure check double test try attempt
    guess conclude conclusion answer result solution step steps case cases option options choice equal equals
    equation means mean implies imply follows follow gives give get gets know find found calculate compute solve
    substitute simplify compare total sum difference product ratio plus minus times divided multiply divide add
    subtract
    """.split()  # noqa: SIM905 - a list of two hundred quoted words would be harder to read
)
_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]|_|\n+")
#: Marks for a content word and for a number; runs of content words collapse to one.
WORD, NUMBER = "_", "0"


def mask_content(text: str) -> str:
    """The text with content words as `_` and numbers as `0`; structure words, punctuation and line breaks stay.

    English structure words only: in another language every word is content, and only punctuation and layout are left.
    """
    kept: list[str] = []
    for match in _TOKEN.finditer(text):
        mark = _mark(match.group())
        if not (mark == WORD and kept and kept[-1] == WORD):
            kept.append(mark)
    return re.sub(r" ?\n ?", "\n", " ".join(kept)).strip()


def _mark(token: str) -> str:
    if token[0].isdigit():
        return NUMBER
    if token[0] == "\n":
        return "\n"
    if not token[0].isalpha():
        return token
    word = token.lower()
    if word.endswith("n't"):
        return "not"
    return word if word.split("'")[0] in STRUCTURE else WORD
