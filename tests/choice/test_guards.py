"""Every guard holds for a judge that checks the work, and fails for one that goes by what should not matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from rayjob.choice.card import Card, write_markdown
from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.guards import Guard, Held, run_guards
from rayjob.choice.judges import Array, Judge
from rayjob.choice.scores import Interval, Scores
from rayjob.choice.table import FeatureTable

NAMES = (
    "swap", "length-only", "style-only", "question-only", "shuffled-steps", "evaluative-words-removed", "cross-domain",
)  # fmt: skip


@dataclass
class ByScore:
    """A judge by any score of a reasoning; `first` is added to whatever stands first."""

    score: Callable[[Reasoning], float]
    first: float = 0.0
    mirrors: bool = True

    def logits(self, reasonings: Sequence[Reasoning], pairs: Pairs, table: FeatureTable | None = None) -> Array:
        scores = np.asarray([self.score(reasoning) for reasoning in reasonings])
        return np.asarray(scores[pairs[:, 0]] - scores[pairs[:, 1]] + self.first)

    def one_way(self, reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
        return self.logits(reasonings, pairs)

    def group_scores(
        self, reasonings: Sequence[Reasoning], sizes: Sequence[int], table: FeatureTable | None = None
    ) -> Array:
        raise NotImplementedError


def held_out(judge: Judge, pairs: int = 60) -> Held:
    """The right one ends on its sum and the wrong one begins with it; who is longer and who is stronger alternates."""
    found: list[Reasoning] = []
    for number in range(pairs):
        longer, stronger = number % 2 == 0, number % 4 < 2
        for right in (True, False):
            filler = " Then we go on." * (3 if longer == right else 1)
            words = " This is clearly correct." if right == (number % 3 == 0) else ""
            text = f"Start.{words}{filler} Sum." if right else f"Sum.{words}{filler} Start."
            found.append(Reasoning(f"q{number}", f"Q {number}?", text, "1", correct=right,
                                   strength=0.9 if stronger == right else 0.3))  # fmt: skip
    places = np.arange(2 * pairs).reshape(-1, 2)
    return Held(found, places, judge.logits(found, places))


def across(low: float) -> dict[str, Scores]:
    """Scores of a second domain."""
    interval = Interval(low + 0.05, low, low + 0.1)
    return {"other": Scores(10, 5, interval, interval, interval, 0.1)}


def order(reasoning: Reasoning) -> float:
    """Where the sum stands: the only thing that is right to go by."""
    return float(reasoning.text.endswith("Sum."))


def failed(judge: Judge, low: float = 0.6) -> tuple[tuple[Guard, ...], list[str]]:
    """The guards, and the names of those that did not hold."""
    guards = run_guards(judge, held_out(judge), across(low))
    return guards, [guard.name for guard in guards if guard.passed is False]


def test_a_judge_of_the_work_passes_all() -> None:
    guards, names = failed(ByScore(order))
    assert tuple(guard.name for guard in guards) == NAMES
    assert names == []
    assert all(guard.passed and guard.value is not None for guard in guards)


@pytest.mark.parametrize(
    ("judge", "low", "name"),
    [
        (ByScore(order, first=0.5), 0.6, "swap"),
        (ByScore(order, first=0.5, mirrors=False), 0.6, "question-only"),
        (ByScore(lambda r: float(len(r.text))), 0.6, "length-only"),
        (ByScore(lambda r: r.strength or 0.0), 0.6, "style-only"),
        (ByScore(lambda r: float("Sum" in r.text) * (r.strength or 0.0)), 0.6, "shuffled-steps"),
        (ByScore(order), 0.45, "cross-domain"),
    ],
)
def test_a_judge_of_something_else_fails_the_guard_that_says_so(judge: Judge, low: float, name: str) -> None:
    assert name in failed(judge, low)[1]


def test_a_judge_of_praise_fails_when_the_praise_is_gone() -> None:
    judge = ByScore(lambda reasoning: float(reasoning.text.count("correct")))
    held = held_out(judge)
    praised = [replace(r, text=f"{r.text} So it is correct." if r.correct else r.text) for r in held.reasonings]
    guards = run_guards(judge, Held(praised, held.pairs, judge.logits(praised, held.pairs)))
    told = {guard.name: guard for guard in guards}["evaluative-words-removed"]
    assert (told.passed, told.value) == (False, 0.5)


def test_what_cannot_be_run_says_why() -> None:
    judge = ByScore(order)
    held = held_out(judge)
    bare = [replace(reasoning, strength=None, vector=(1.0,)) for reasoning in held.reasonings]
    guards = {guard.name: guard for guard in run_guards(judge, replace(held, reasonings=bare))}
    assert [name for name in NAMES if guards[name].passed is None] == [
        "style-only", "question-only", "shuffled-steps", "evaluative-words-removed", "cross-domain",
    ]  # fmt: skip
    assert all("not run" in guards[name].says for name in NAMES[2:])


def test_failed_guards_stand_at_the_top_of_the_card() -> None:
    scores = across(0.6)["other"]
    data = {"reasonings": 1, "questions": 1, "pairs": 1, "hash": "x"}
    split = {"folds": 5, "seeds": [0], "tested_folds": 1, "hashes": ["y"]}
    guards = (Guard("swap", 1.0, True, "fine"), Guard("length-only", 0.5, False, "leans on length"))
    card = Card(data, split, {}, scores, (0.6,), None, 0, {}, {}, 1.0, guards)
    text = write_markdown(card)
    assert text.splitlines()[2].startswith("**FAILED GUARDS: length-only.**")
    assert "| length-only | **NO** | leans on length |" in text
    assert "FAILED" not in write_markdown(replace(card, guards=guards[:1]))
    assert '"failed_guards": [\n    "length-only"\n  ]' in card.to_json()
