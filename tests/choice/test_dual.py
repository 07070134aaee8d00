"""The original's network: its published weights, its published figure, and what swapping its inputs does; and the
same architecture trained, carded and chosen with like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from rayjob.choice import judges
from rayjob.choice.data import read_reasonings
from rayjob.choice.dual import Dual, load_dual, predict_dual, swap_consistency, train_dual
from rayjob.choice.errors import ChoiceError
from rayjob.choice.model_file import load_model
from rayjob.choice.predict import ChoiceModel
from rayjob.choice.train import train
from rayjob.choice.trees import PairSet
from tests.choice.made import QUICK, Memory, made_rows
from tests.shared_data import shared

DUAL = replace(QUICK, architecture="dual", siblings=0, seeds=(0, 1))


def test_the_published_weights_give_five_of_six_and_ignore_a_swap() -> None:
    network = load_dual(shared("cot_origin/best_binary_choice_model.pth").read_bytes())
    with np.load(shared("cot_origin/dual_embeddings_cache.npz")) as file:
        first, second = file["pos_embeddings"].astype(np.float32), file["neg_embeddings"].astype(np.float32)
        labels = file["labels"]
    _, test = train_test_split(np.arange(30), test_size=0.2, random_state=42, stratify=labels)
    right = (predict_dual(network, first, second) > 0.5) == labels
    assert right[test].sum() == 5
    assert swap_consistency(network, first, second) == 0.0


def test_the_published_weights_choose_where_the_spec_says_dual() -> None:
    data = shared("cot_origin/best_binary_choice_model.pth").read_bytes()
    with pytest.raises(ChoiceError, match="this weight file is a pickle"):
        ChoiceModel(data)
    model = ChoiceModel(data, architecture="dual")
    with np.load(shared("cot_origin/dual_embeddings_cache.npz")) as file:
        sides = [file[name].astype(np.float32) for name in ("pos_embeddings", "neg_embeddings")]
    group = [{"question": "?", "reasoning": str(n), "answer": "", "vector": side[0]} for n, side in enumerate(sides)]
    forward, swapped = model.judge_rows([group, group[::-1]])
    assert forward.winner == 1 - swapped.winner
    assert forward.confidence == pytest.approx(swapped.confidence)
    with pytest.raises(ChoiceError, match="the network takes 1024"):
        model.judge_rows([[{**row, "vector": [0.0, 1.0]} for row in group]])


def with_vectors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A vector of which the first number says whether the reasoning is right."""
    rng = np.random.default_rng(0)
    return [{**row, "vector": [2.0 * row["correct"] - 1 + rng.normal(0, 0.3), *rng.normal(size=7)]} for row in rows]


def test_it_trains_the_same_twice_and_refuses_other_dimensions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype(np.float32)
    ends = np.argsort(-x[:, 0])[np.stack([np.arange(32), np.arange(32, 64)], axis=1)]
    pairs = PairSet(ends[:24], np.ones(24), ends[24:])
    networks = [train_dual(x, pairs, epochs=3, seed=1) for _ in range(2)]
    predictions = [predict_dual(network, x[:32], x[32:]) for network in networks]
    assert (predictions[0] == predictions[1]).all()
    with pytest.raises(ChoiceError, match="vectors of dimension 4; this network was trained on 8"):
        predict_dual(networks[0], x[:, :4], x[:, :4])


@pytest.fixture(scope="module")
def trained() -> Memory:
    files = Memory()
    train(with_vectors(made_rows()), None, DUAL, files)
    return files


def test_its_card_reports_the_swap_and_what_could_not_be_tested(trained: Memory) -> None:
    card = json.loads(trained.files["card.json"])
    guards = {guard["name"]: guard for guard in card["guards"]}
    assert card["architecture"] == "dual"
    assert card["scores"]["accuracy"]["value"] > 0.8
    assert "turn round when the two reasonings are swapped" in guards["swap"]["says"]
    assert guards["question-only"]["passed"] is None
    assert "the original's network" in trained.files["card.md"].decode()


def test_killed_and_resumed_it_ends_the_same(trained: Memory) -> None:
    files = Memory(dies_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(with_vectors(made_rows()), None, DUAL, files)
    files.dies_after = None
    train(with_vectors(made_rows()), None, DUAL, files)
    assert files.files == trained.files


def test_it_chooses_among_any_number(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"])
    right, wrong, other = ({**row, "peer_answers": [], "vector": [sign, *[0.0] * 7]} for row, sign in zip(
        made_rows(1), (1.0, -1.0, -0.5), strict=False))  # fmt: skip
    two, three = model.judge_rows([[wrong, right], [wrong, other, right]])
    assert (two.winner, three.winner) == (1, 2)
    assert sorted(three.ranking) == [0, 1, 2]
    assert two.why == ()
    with pytest.raises(ChoiceError, match="weights of architecture dual, and the spec says symmetric"):
        ChoiceModel(trained.files["model.safetensors"], architecture="symmetric")


class Letters:
    """An encoder that counts letters."""

    def __init__(self, model: str, device: str) -> None:
        assert (model, device) == ("offline", "cpu")

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray([[text.count(letter) for letter in "0123456789"] for text in texts], dtype=np.float32)


def test_rows_without_vectors_are_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "Embedder", Letters)
    files = Memory()
    train(made_rows(12), None, replace(DUAL, seeds=(0,)), files)
    card = json.loads(files.files["card.json"])
    assert card["encoder"] == "offline"
    assert {guard["name"]: guard["value"] for guard in card["guards"]}["question-only"] == 0.5
    network, info = load_model(files.files["model.safetensors"])
    assert isinstance(network, Dual)
    assert (info.encoder, info.vectors) == ("offline", 10)
    rows = read_reasonings(made_rows(1), judged=False)
    assert len(judges.DualJudge(network, judges.Vectors("offline", 10)).group_scores(rows, [4])) == 4
