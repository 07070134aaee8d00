"""The four steps around the classifier: what they ask, pair, train on and write into rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from rayjob.choice.data import read_pairs, read_reasonings
from rayjob.labels.asking import AnswerError, CallFailedError, Question, Reply
from rayjob.labels.prompt import Template
from rayjob.spec.choice import ChooseStep, GenerateStep, PairStep, TrainChoiceStep
from rayjob.steps.choose import Choose
from rayjob.steps.generate import Generate, read_candidate
from rayjob.steps.pair import Pair, spread_candidates
from rayjob.steps.train_choice import TrainChoice
from tests.shared_data import ROOT

T = TypeVar("T")


@dataclass
class Script:
    """Answers by the last message and the number of the draw; anything unscripted fails."""

    answers: dict[tuple[str, int], str]

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        side = "against" if "another answer" in str(question.messages[-1]["content"]) else "for"
        text = self.answers[side, question.sample]
        try:
            return parse(text), Reply(text, question.step, question.model)
        except AnswerError as error:
            raise CallFailedError("unparsable", str(error), calls=(Reply(text, question.step),)) from error


def template(mode: str) -> Template:
    return Template((ROOT / "prompts" / "choice" / f"{mode}.j2").read_text(encoding="utf-8"), f"{mode}.j2")


def made(text: str) -> str:
    return f'{{"reasoning": "{text}", "answer": "7"}}'


def generate(mode: Any, samples: int, script: Script) -> dict[str, Any]:
    spec = GenerateStep(model="worker", mode=mode, samples=samples, prompt="x.j2")
    row = {"uid": "u", "query": "3 + 4?", "answer": "7", "reasoning": "3 + 4 = 7", "failure": None}
    return asyncio.run(Generate("generate", spec, template(mode))(row, script))


def test_samples_are_candidates_beside_the_rows_own() -> None:
    row = generate("samples", 2, Script({("for", 0): made("A"), ("for", 1): made("B")}))
    assert [(c["reasoning"], c["model"]) for c in row["candidates"]] == [
        ("3 + 4 = 7", "own"),
        ("A", "worker"),
        ("B", "worker"),
    ]
    assert len(row["calls"]) == 2


def test_sides_are_asked_for_and_against() -> None:
    row = generate("sides", 1, Script({("for", 0): made("A"), ("against", 0): made("B")}))
    assert [c["side"] for c in row["candidates"]] == ["", "for", "against"]


def test_words_that_judge_are_asked_away_and_then_left_out() -> None:
    row = generate("samples", 1, Script({("for", 0): made("This is clearly 7"), ("for", 1000): made("B")}))
    assert [c["reasoning"] for c in row["candidates"]] == ["3 + 4 = 7", "B"]
    assert len(row["calls"]) == 2  # both were paid
    row = generate("samples", 1, Script({("for", 0): made("correct"), ("for", 1000): made("obviously")}))
    assert row["failure"]["kind"] == "unparsable"
    assert "words that judge" in row["failure"]["message"]
    assert len(row["calls"]) == 2


@pytest.mark.parametrize(
    "text",
    ["no json", "[1]", '{"reasoning": 3, "answer": "x"}', '{"reasoning": "x"}', '{"reasoning": " ", "answer": "x"}'],
)
def test_a_reply_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        read_candidate(text)


def rows(count: int = 6) -> list[dict[str, Any]]:
    return [
        {"qid": "q", "question": "?", "reasoning": f"r{n}", "answer": str(n), "model": f"m{n}", "model_acc": n / 10,
         "correct": n % 2 == 0}
        for n in range(count)
    ]  # fmt: skip


def test_pairs_are_seeded_balanced_and_in_random_order() -> None:
    pairs = Pair(PairStep(per_question=6))(rows())
    assert pairs == Pair(PairStep(per_question=6))(rows())
    strength = {row["model"]: row["model_acc"] for row in rows()}
    stronger = [strength[pair["good"]] > strength[pair["bad"]] for pair in pairs]
    assert stronger.count(True) == stronger.count(False) == 3
    many = Pair(PairStep(per_question=None, balance=False))(
        [{**row, "qid": str(n)} for n in range(30) for row in rows(4)]
    )
    assert 40 < sum(pair["first"] == "good" for pair in many) < 80


def test_training_sees_candidates_and_no_failures() -> None:
    seen: list[Sequence[dict[str, Any]]] = []
    step = TrainChoice(TrainChoiceStep(), lambda rows, pairs: seen.append(rows))
    step([{"query": "q", "candidates": [{"reasoning": "a"}, {"reasoning": "b"}]}, {"failure": {"kind": "empty"}}])
    assert [(row["question"], row["reasoning"]) for row in seen[0]] == [("q", "a"), ("q", "b")]


def test_what_a_row_says_of_its_own_reasoning_is_not_said_of_generated_ones() -> None:
    own = {"reasoning": "a", "answer": "1", "model": "own"}
    row = {"query": "q", "reasoning": "a", "answer": "1", "correct": True, "model_acc": 0.9, "qid": 0}
    first, second = spread_candidates([{**row, "candidates": [own, {"reasoning": "b", "answer": "2"}]}])
    assert (first["correct"], first["model_acc"], first["qid"]) == (True, 0.9, 0)
    assert (second.get("correct"), second.get("model_acc"), second["qid"]) == (None, None, 0)


@pytest.mark.parametrize("names", [{}, {"id": "q"}, {"id": "q", "model": "m"}, {"model": "m"}])
def test_pairs_are_found_again_whatever_the_rows_are_called(names: dict[str, str]) -> None:
    judged = [
        {"qid": 0, "question": "?", "reasoning": f"r{n}", "answer": str(n), "correct": n % 2 == 0, **names}
        for n in range(4)
    ]
    pairs = Pair(PairStep(balance=False))(judged)
    found = read_pairs(pairs, read_reasonings(judged))
    assert [[judged[good]["reasoning"], judged[bad]["reasoning"]] for good, bad in found] == [
        [pair["good_reasoning"], pair["bad_reasoning"]] for pair in pairs
    ]


@dataclass(frozen=True)
class Verdict:
    winner: int
    confidence: float
    ranking: tuple[int, ...]
    scores: tuple[float, ...]
    why: tuple[str, ...] = ("any_wrong 0 against 1",)


def by_length(groups: Sequence[Sequence[dict[str, Any]]]) -> list[Verdict]:
    """The longest reasoning wins."""
    found = []
    for group in groups:
        scores = tuple(float(len(row["reasoning"])) for row in group)
        order = sorted(range(len(group)), key=lambda n: -scores[n])
        found.append(Verdict(order[0], 0.8, tuple(order), scores))
    return found


def candidates(*texts: str) -> dict[str, Any]:
    return {"query": "?", "candidates": [{"reasoning": text, "model": text} for text in texts], "failure": None}


def test_a_choice_is_a_label_with_confidence_and_reasons() -> None:
    row = Choose(ChooseStep(), by_length)([candidates("aa", "bbbb", "c")])[0]
    assert row["labels"] == {"choice": "bbbb"}
    assert row["confidence"] == {"choice": 0.8}
    assert row["choice"]["ranking"] == [1, 0, 2]
    assert row["choice"]["why"] == ["any_wrong 0 against 1"]


def test_below_the_threshold_it_abstains() -> None:
    assert Choose(ChooseStep(confidence=0.9), by_length)([candidates("a", "bb")])[0]["labels"]["choice"] == "abstain"
    assert Choose(ChooseStep(precision=0.9), by_length, 0.7)([candidates("a", "bb")])[0]["labels"]["choice"] == "bb"


def test_a_row_that_cannot_be_judged_fails_alone() -> None:
    failed, fine, lone = Choose(ChooseStep(), by_length)([
        {"query": "?", "candidates": [{"reasoning": "a"}]}, candidates("a", "bb"),
        {"query": "?", "reasoning": "abc", "siblings_sampled": [{"reasoning": "a"}, {"reasoning": "b"}]},
    ])  # fmt: skip
    assert failed["failure"]["kind"] == "empty"
    assert fine["labels"]["choice"] == "bb"
    assert lone["labels"]["choice"] == "better"


@pytest.mark.parametrize("given", [["a", "bb"], "abc", [None, {"reasoning": "a"}], {"a": 1}])
def test_candidates_that_are_none_fail_their_row_alone(given: object) -> None:
    failed, fine = Choose(ChooseStep(), by_length)([{"query": "?", "candidates": given}, candidates("a", "bb")])
    assert failed["failure"]["kind"] in ("unreadable", "empty")
    assert fine["labels"]["choice"] == "bb"


def test_a_chain_of_thought_is_read_under_both_its_names() -> None:
    row = {"query": "?", "candidates": [{"cot": "abc", "id": "a"}, {"reasoning": "ab", "id": "b"}]}
    assert Choose(ChooseStep(), by_length)([row])[0]["labels"]["choice"] == "a"


def test_equal_candidates_are_no_choice_whichever_stands_first() -> None:
    def equal(groups: Sequence[Sequence[dict[str, Any]]]) -> list[Verdict]:
        return [Verdict(0, 0.5, (0, 1), (1.0, 1.0)) for _ in groups]

    lone = {"query": "?", "reasoning": "abc", "siblings_sampled": [{"reasoning": "a"}]}
    for row in (candidates("a", "b"), candidates("b", "a"), lone):
        assert Choose(ChooseStep(), equal)([row])[0]["labels"]["choice"] == "abstain"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seeds": [1, 1]}, "same seed twice"),
        ({"tested": 6}, "of 5 folds"),
        ({"folds": 2}, "greater than or equal to 3"),
    ],
)
def test_training_settings_that_contradict_themselves(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainChoiceStep(**settings)


def test_two_thresholds_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="keep one"):
        ChooseStep(confidence=0.9, precision=0.9)
