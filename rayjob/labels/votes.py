"""Several answers to one question as one: majority labels and how far the answers agree. Asks nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rayjob.labels.tags import LabelValue, Resolved, empty_label, is_missing
from rayjob.labels.taxonomy import Dimension


@dataclass(frozen=True, slots=True)
class Verdict:
    """One dimension's majority, its agreement (0..1), and whether any answer differs from another."""

    value: LabelValue
    agreement: float
    is_split: bool


def vote(values: Sequence[LabelValue], dim: Dimension) -> Verdict:
    """The majority of at least one value; a tie goes to what came first.

    Single-select: the most frequent tag, agreement is its share. Multi-select: every tag that more than half of the
    answers hold, or half of them with the first; agreement is the mean Jaccard index of the answers and that set (two
    empty sets agree fully).
    """
    sets = [frozenset([value] if isinstance(value, str) else value) for value in values]
    is_split = len(set(sets)) > 1
    if dim.select == "single":
        winner, count = Counter(str(value) for value in values).most_common(1)[0]
        return Verdict(winner, count / len(values), is_split)
    holders = Counter(tag for value in values for tag in dict.fromkeys(value))
    kept = [tag for tag, count in holders.items() if 2 * count + (tag in sets[0]) > len(values)]
    return Verdict(kept, sum(jaccard(found, frozenset(kept)) for found in sets) / len(sets), is_split)


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """|A ∩ B| / |A ∪ B| (Jaccard 1901); 1 for two empty sets."""
    return len(left & right) / len(left | right) if left or right else 1.0


def merge_answers(answers: Sequence[Resolved], dims: Sequence[Dimension], by_agreement: bool) -> Resolved:
    """The majority of several answers; beside it what each of them left on record, each thing once.

    Confidence is the agreement (none where only one answer is left to agree with itself), or the mean of what the
    answers said of themselves where any said anything.
    """
    if len(answers) == 1:
        return replace(answers[0], confidence=dict.fromkeys(answers[0].confidence)) if by_agreement else answers[0]
    said = {dim.name: said_of(dim.name, answers) for dim in dims}
    silence = {dim.name: Verdict(empty_label(dim), 0.0, is_split=False) for dim in dims}
    verdicts = {dim.name: vote(said[dim.name], dim) if said[dim.name] else silence[dim.name] for dim in dims}
    confidence = {
        name: verdict.agreement if by_agreement else _mean([answer.confidence.get(name) for answer in answers])
        for name, verdict in verdicts.items()
    }
    return replace(
        answers[0],
        labels={name: verdict.value for name, verdict in verdicts.items()},
        confidence=confidence,
        unmapped=tuple(dict.fromkeys(entry for answer in answers for entry in answer.unmapped)),
        canonicalized=tuple(dict.fromkeys(entry for answer in answers for entry in answer.canonicalized)),
        issues=tuple(dict.fromkeys(issue for answer in answers for issue in answer.issues)),
        moves=tuple(dict.fromkeys(move for answer in answers for move in answer.moves)),
    )


def said_of(dimension: str, answers: Sequence[Resolved]) -> list[LabelValue]:
    """The labels of the answers that said something of a dimension: leaving it out is no vote for nothing."""
    return [answer.labels[dimension] for answer in answers if not is_missing(dimension, answer)]


def find_split(answers: Sequence[Resolved], dims: Sequence[Dimension]) -> list[str]:
    """The dimensions on which not all answers are the same."""
    return [dim.name for dim in dims if vote([answer.labels[dim.name] for answer in answers], dim).is_split]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
