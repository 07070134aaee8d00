"""A plain lexical ranker: tags by the words they share with a conversation. Understands nothing; is never sure."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rayjob.labels.lexical_words import count_terms, find_words, phrase
from rayjob.labels.lexicon import ACTIONS, DEMANDS, LEVELS, REQUESTS, TOPICS, compile_cues, read_table
from rayjob.labels.tags import LabelValue, squash
from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy

#: Characters read of each part: enough to tell the subject, little enough for milliseconds.
READ_CHARS = {"query": 3_000, "reply": 5_000, "code": 3_000, "actions": 6_000}
#: How much a word counts where it stands.
WEIGHTS = {"query": 3.0, "reply": 0.8, "code": 0.4}
#: A cue points at a tag outright; a description only mentions a word.
CUE, NAME, DESCRIBED = 4.0, 3.0, 0.6

_REQUESTS, _DEMANDS, _LEVELS, _ACTIONS = map(compile_cues, (REQUESTS, DEMANDS, LEVELS, ACTIONS))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a conversation shows: the user's words, the reply's, its code, what tools did, and the hints given."""

    query: str
    reply: str = ""
    code: str = ""
    actions: str = ""
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guess:
    """One dimension's answer and how far to trust it (0..1)."""

    value: LabelValue
    confidence: float


#: Where each of the usual dimensions looks; any other dimension looks everywhere.
SOURCES: Mapping[str, tuple[str, ...]] = {
    "intent": ("requests", "shape"),
    "task": ("requests",),
    "language": ("languages",),
    "domain": ("topics", "words"),
    "concept": ("topics", "words"),
    "constraint": ("demands",),
    "agentic": ("actions",),
    "difficulty": ("levels",),
    "context": ("shape",),
}
_EVERYWHERE = ("requests", "topics", "demands", "words", "shape")
#: At most so many tags of a multi-select dimension, each with at least this share of the best one's score.
MOST_TAGS, LEAST_SHARE = 3, 0.5
#: A score that one cue in the user's own words reaches; below half of it nothing is said in a multi-select dimension.
FULL_SCORE = 4.0


class LexicalRanker:
    """Ranks the tags of a taxonomy for a conversation. Deterministic; made once, used for every call."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self._words = {dim.name: _index_words(dim) for dim in taxonomy.dimensions.values()}
        self._names = {dim.name: _index_names(dim) for dim in taxonomy.dimensions.values()}

    def guess(self, evidence: Evidence, dimensions: Iterable[str]) -> dict[str, Guess]:
        """The best tags of each dimension asked for; one the taxonomy lacks is left out."""
        seen = _Seen(evidence)
        known = [self.taxonomy.dimensions[name] for name in dimensions if name in self.taxonomy.dimensions]
        return {dim.name: self._guess(dim, seen) for dim in known}

    def rank(self, dim: Dimension, seen: _Seen) -> list[tuple[str, float]]:
        """Tags with what speaks for them, the best first; equals in the pool's order."""
        scores: dict[str, float] = defaultdict(float)
        for source in SOURCES.get(dim.name, _EVERYWHERE):
            if source == "words":
                self._add_words(dim, seen.bag, scores)
            else:
                self._add_cues(dim, seen.cues(source), scores)
        order = {tag.id: place for place, tag in enumerate(dim.tags)}
        return sorted(scores.items(), key=lambda item: (-item[1], order[item[0]]))

    def _add_words(self, dim: Dimension, bag: Mapping[str, float], scores: dict[str, float]) -> None:
        index = self._words[dim.name]
        for term, weight in bag.items():
            for tag, gain in index.get(term, ()):
                scores[tag] += weight * gain

    def _add_cues(self, dim: Dimension, cues: Mapping[str, float], scores: dict[str, float]) -> None:
        names = self._names[dim.name]
        for name, weight in cues.items():
            if name in names:
                scores[names[name]] = max(scores[names[name]], weight)

    def _guess(self, dim: Dimension, seen: _Seen) -> Guess:
        ranked = self.rank(dim, seen)
        best = ranked[0][1] if ranked else 0.0
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        if dim.select == "single":
            value = ranked[0][0] if ranked else dim.tags[0].id
            return Guess(value, _trust(best, second))
        kept = [tag for tag, score in ranked if score >= FULL_SCORE / 2 and score >= LEAST_SHARE * best][:MOST_TAGS]
        return Guess(kept, _trust(best, 0.0) if kept else 0.45)


def _trust(best: float, second: float) -> float:
    """From 0.25 for a guess to 0.85 for a clear cue without a rival: a ranker of words is never sure."""
    strength = min(1.0, best / (2 * FULL_SCORE))
    margin = (best - second) / best if best else 0.0
    return round(0.25 + 0.6 * strength * (0.4 + 0.6 * margin), 2)


def _index_names(dim: Dimension) -> dict[str, str]:
    """Every spelling of every tag: ids first, so that an alias that is another tag's id means that tag."""
    names = {squash(tag.id): tag.id for tag in dim.tags}
    for tag in dim.tags:
        for alias in (tag.name, *tag.aliases):
            names.setdefault(squash(alias), tag.id)
    return names


def _index_words(dim: Dimension) -> dict[str, list[tuple[str, float]]]:
    """Term → (tag, gain): BM25's idf (Robertson and Zaragoza 2009, eq. 3.3) times how much the tag says the term."""
    documents = {tag.id: _describe(tag) for tag in dim.tags}
    found: Counter[str] = Counter(term for terms in documents.values() for term in terms)
    index: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for tag, terms in documents.items():
        length = 1 + math.log1p(len(terms) / 10)
        for term, weight in terms.items():
            idf = math.log(1 + (len(documents) - found[term] + 0.5) / (found[term] + 0.5))
            index[term].append((tag, weight * idf / length / 4))
    return index


def _describe(tag: Tag) -> dict[str, float]:
    """The terms of a tag. What its description sets it apart from ("Not …") is not what it is."""
    terms = dict.fromkeys(count_terms(find_words(tag.description.partition("Not ")[0])), DESCRIBED)
    for name in (tag.id, tag.name, *tag.aliases):
        terms |= dict.fromkeys((word for word in find_words(name.replace("-", " "))), DESCRIBED)
    for name in (tag.id, tag.name, *tag.aliases):
        terms[phrase(name)] = NAME
    return terms


class _Seen:
    """One conversation as terms and cues, each worked out when first needed."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._cues: dict[str, dict[str, float]] = {}
        self._bag: dict[str, float] | None = None

    @property
    def bag(self) -> dict[str, float]:
        """Terms with weights that saturate: the tenth mention says little more than the third."""
        if self._bag is None:
            self._bag = defaultdict(float)
            for part, weight in WEIGHTS.items():
                for term, count in count_terms(find_words(self._text(part))).items():
                    self._bag[term] += weight * count / (count + 1.5)
        return self._bag

    def cues(self, source: str) -> dict[str, float]:
        """Names that this source of cues points at, with weights."""
        if source not in self._cues:
            self._cues[source] = getattr(self, f"_find_{source}")()
        return self._cues[source]

    def _text(self, part: str) -> str:
        text: str = getattr(self.evidence, part)
        return text[: READ_CHARS[part]]

    def _find_requests(self) -> dict[str, float]:
        return _match(_REQUESTS, self._text("query"), early=True)

    def _find_demands(self) -> dict[str, float]:
        return _match(_DEMANDS, self._text("query"))

    def _find_levels(self) -> dict[str, float]:
        return {"intermediate": 1.5, **_match(_LEVELS, self._text("query"))}

    def _find_actions(self) -> dict[str, float]:
        return _match(_ACTIONS, self._text("actions"))

    def _find_topics(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        text = self._text("query") + self._text("reply")[:1500]
        for term, weight in self.bag.items():
            for name in _TOPIC_TERMS.get(term, ()):
                found[name] += weight
        for word, names in _TOPIC_MARKS:
            if word in text:
                for name in names:
                    found[name] += WEIGHTS["query"] / 2 if word in self.evidence.query else WEIGHTS["reply"]
        return found

    def _find_languages(self) -> dict[str, float]:
        return {squash(name): CUE - 0.3 * place for place, name in enumerate(self.evidence.languages)}

    def _find_shape(self) -> dict[str, float]:
        evidence = self.evidence
        requests = self.cues("requests")
        lines = evidence.code.count("\n")
        if evidence.actions:
            shape = {"repository": CUE}
        elif requests.get("decide", 0) > max(requests.get("build", 0), requests.get("debug", 0)):
            shape = {"greenfield": CUE / 2}
        elif lines < 15 or requests.get("learn", 0) > requests.get("build", 0):
            shape = {"snippet": CUE / 2}
        else:
            shape = {"single-file": CUE / 2}
        return {**shape, "build" if lines > 15 else "learn": 0.5}


def _match(cues: Sequence[tuple[re.Pattern[str], tuple[str, ...]]], text: str, early: bool = False) -> dict[str, float]:
    """Names of the cues found. A request that opens the text weighs more than one further on."""
    found: dict[str, float] = defaultdict(float)
    for pattern, names in cues:
        match = pattern.search(text)
        if match:
            weight = CUE / (1 + match.start() / 80) if early else CUE
            for name in names:
                found[name] = max(found[name], weight)
    return found


def _read_topics() -> tuple[dict[str, list[str]], list[tuple[str, list[str]]]]:
    """The table of topics by term, and apart the words that are looked for anywhere."""
    terms: dict[str, list[str]] = defaultdict(list)
    marks: dict[str, list[str]] = defaultdict(list)
    for names, lines in read_table(TOPICS):
        for word in " ".join(lines).split():
            (terms[phrase(word)] if word.isascii() else marks[word]).extend(names)
    return terms, list(marks.items())


_TOPIC_TERMS, _TOPIC_MARKS = _read_topics()
