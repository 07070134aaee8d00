"""Words of a text, cut and trimmed so that `threads`, `threading` and `Thread` meet. Knows no grammar."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from rayjob.labels.lexicon import STOPWORDS

_WORD = re.compile(r"[a-z][a-z0-9]*(?:[-./+#][a-z0-9+#]+)*[+#]*|[0-9]+[a-z]+")
_ENDINGS = ("ings", "ing", "ies", "ers", "er", "ed", "es", "s")


def find_words(text: str) -> list[str]:
    """The words in order, stemmed, stop words left out."""
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in STOPWORDS]


def stem(word: str) -> str:
    """The word without a usual ending; short words and those with signs in them stay."""
    if not word.isalpha() or len(word) < 5:
        return word[:-1] if len(word) == 4 and word.endswith("s") and not word.endswith("ss") else word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word[:-1] if word.endswith("e") else word


def count_terms(words: Iterable[str]) -> Counter[str]:
    """Words and pairs of neighbours (`race condition` counts as `race-condition` too)."""
    counts: Counter[str] = Counter()
    before = ""
    for word in words:
        counts[word] += 1
        if before:
            counts[f"{before}-{word}"] += 1
        before = word
    return counts


def phrase(name: str) -> str:
    """A tag's id or alias as one term, such as `race-condition`."""
    return "-".join(stem(word) for word in re.split(r"[-_\s]+", name.lower()) if word)
