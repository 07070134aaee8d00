"""Training end to end on a small set: it learns, mirrors, repeats byte for byte, resumes, and says what it is worth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rayjob.choice.corpus import read_corpus, sibling_logits
from rayjob.choice.errors import ChoiceError
from rayjob.choice.predict import ChoiceModel, threshold_for
from rayjob.choice.split import split_questions
from rayjob.choice.train import train
from tests.choice.made import QUICK, Memory, made_rows


@pytest.fixture(scope="module")
def trained() -> Memory:
    files = Memory()
    train(made_rows(), None, QUICK, files)
    return files


def test_it_learns_to_check_sums_and_its_card_says_so(trained: Memory) -> None:
    card = json.loads(trained.files["card.json"])
    assert card["scores"]["accuracy"]["value"] > 0.9
    assert card["siblings"]["accuracy"]["value"] > 0.9
    assert {guard["name"]: guard["passed"] for guard in card["guards"]}["swap"] is True
    assert set(card["baselines"]) == {
        "longer_is_right", "stronger_model_is_right", "style_only", "question_only", "majority",
    }  # fmt: skip
    assert "not run" in trained.files["card.md"].decode()


def test_a_failed_guard_stands_at_the_top_of_the_card(trained: Memory) -> None:
    failed = json.loads(trained.files["card.json"])["failed_guards"]
    assert ("FAILED GUARDS" in trained.files["card.md"].decode()) == bool(failed)


def test_the_same_seed_gives_the_same_bytes(trained: Memory) -> None:
    again = Memory()
    train(made_rows(), None, QUICK, again)
    assert again.files == trained.files


def test_killed_and_resumed_it_ends_the_same(trained: Memory) -> None:
    files = Memory(dies_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(made_rows(), None, QUICK, files)
    files.dies_after = None
    train(made_rows(), None, QUICK, files)
    assert files.files == trained.files


def test_no_question_lies_in_two_folds() -> None:
    corpus = read_corpus(made_rows())
    split = split_questions(corpus.reasonings, 3)
    folds: dict[str, set[int]] = {}
    for reasoning, fold in zip(corpus.reasonings, split.folds, strict=True):
        folds.setdefault(reasoning.question, set()).add(int(fold))
    assert all(len(places) == 1 for places in folds.values())


def test_texts_of_one_question_lie_on_one_side() -> None:
    rows = [{**row, "question": row["question"] + " Step by step." * (n % 2)} for n, row in enumerate(made_rows())]
    corpus = read_corpus(rows)
    folds = split_questions(corpus.reasonings, 3).folds
    assert all(folds[good] == folds[bad] for good, bad in corpus.pairs)


def test_a_name_that_several_reasonings_of_a_question_have_is_refused() -> None:
    rows = [{**row, "model": "m"} for row in made_rows()]
    with pytest.raises(ChoiceError, match="several reasonings of question 'q0' are called 'm'"):
        read_corpus(rows, [{"qid": "q0", "good": "m", "bad": "m"}])


def test_a_swap_mirrors_and_a_ranking_has_any_number(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"])
    question = "Ann has 3 pears and buys 4 more. How many pears has she?"
    good = {"question": question, "reasoning": "So 3 + 4 = 7 pears.", "answer": "7"}
    bad = {"question": question, "reasoning": "So 3 + 4 = 9 pears.", "answer": "9"}
    worse = {"question": question, "reasoning": "So 3 + 4 = 8. And 8 + 1 = 11 pears.", "answer": "11"}
    forward, swapped, many = model.judge_rows([[good, bad], [bad, good], [bad, worse, good]])
    assert (forward.winner, swapped.winner) == (0, 1)
    assert forward.confidence == swapped.confidence
    assert forward.scores == swapped.scores[::-1]
    assert many.ranking[0] == 2
    assert sorted(many.ranking) == [0, 1, 2]
    assert any("wrong" in reason for reason in forward.why)


def test_siblings_that_agree_raise_the_confidence(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"])
    model.info = replace(model.info, sibling_weights=(1.0, 0.5))
    question = "Ann has 3 pears and buys 4 more. How many pears has she?"
    rows = [{"question": question, "reasoning": f"So 3 + 4 = {n} pears.", "answer": str(n)} for n in (7, 9)]
    alone = model.judge_rows([rows])[0]
    together = model.judge_rows([[{**rows[0], "siblings": ["7", "7", "8"]}, rows[1]]])[0]
    assert together.confidence > alone.confidence
    assert "siblings" in together.why


def test_a_single_candidate_is_refused(trained: Memory) -> None:
    with pytest.raises(ChoiceError, match="single candidate"):
        ChoiceModel(trained.files["model.safetensors"]).judge_rows([[made_rows(1)[0]]])


def test_a_precision_gives_a_threshold_or_is_refused(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"])
    assert len(model.info.held) > 20
    assert 0.5 <= model.threshold(0.8) < 1
    with pytest.raises(ChoiceError, match="not reached at any confidence"):
        model.threshold(0.9999)


def test_the_threshold_keeps_its_promise_on_the_sample() -> None:
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.5, 1, 2000)
    right = (rng.random(2000) < confidences).astype(float)
    threshold = threshold_for(0.9, confidences, right)
    assert threshold is not None
    assert right[confidences >= threshold].mean() >= 0.9
    assert threshold_for(0.999, confidences, right) is None


def test_equal_confidences_are_accepted_together_or_not_at_all() -> None:
    confidences = np.array([0.9] * 60 + [0.6] * 40)
    right = np.array([1.0] * 40 + [0.0] * 60)
    assert threshold_for(0.9, confidences, right) is None
    assert threshold_for(0.5, confidences, right) == 0.9


def test_siblings_weigh_in_a_choice_what_they_weighed_in_training(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"])
    own, others = model.info.sibling_weights
    corpus = read_corpus(made_rows())
    pair = corpus.pairs[:1]
    a, b = (replace(corpus.reasonings[place], siblings=corpus.reasonings[place].siblings[:1]) for place in pair[0])
    alone = model.judge([[replace(a, siblings=()), replace(b, siblings=())]])[0].scores
    joint = model.judge([[a, b]])[0].scores
    evidence = float(sibling_logits(corpus.reasonings, pair, QUICK.siblings)[0])
    assert evidence != 0
    assert joint[0] - joint[1] == pytest.approx(own * (alone[0] - alone[1]) + others * evidence)
