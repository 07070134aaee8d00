"""Fine-tuning of the small encoder: the same seed gives the same bytes, killed it resumes, and what was trained
chooses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rayjob.choice.errors import ChoiceError
from rayjob.choice.finetune import TuneSettings, blend, fine_tune
from rayjob.choice.predict import ChoiceModel
from rayjob.choice.text_scorer import TextScores, place_of
from rayjob.choice.train import train
from rayjob.choice.trees import PairSet
from tests.choice.made import QUICK, Memory, made_rows

pytest.importorskip("transformers")
ROWS = 10


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained encoder of two thin layers with a vocabulary of characters, in a folder."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789+=.:?"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    pieces = BertWordPieceTokenizer({word: place for place, word in enumerate(words)})
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer: Any = PreTrainedTokenizerFast
    tokenizer(tokenizer_object=pieces._tokenizer, **names).save_pretrained(folder)
    return str(folder)


def settings(encoder: str) -> TuneSettings:
    return TuneSettings(encoder=encoder, epochs=2, batch=8, rate=1e-3, max_tokens=64, device="cpu")


@pytest.fixture(scope="module")
def trained(tiny: str) -> Memory:
    files = Memory()
    train(made_rows(ROWS), None, replace(QUICK, tune=settings(tiny)), files)
    return files


def test_the_card_says_what_was_done(trained: Memory) -> None:
    done = json.loads(trained.files["card.json"])["finetune"]
    assert (done["epochs"], done["device"], len(done["validation_losses"]), len(done["weights"])) == (2, "cpu", 2, 2)
    assert done["epoch_kept"] == 1 + int(np.argmin(done["validation_losses"]))
    assert "Fine-tuned encoder beside the features" in trained.files["card.md"].decode()
    assert not [name for name in trained.files if name.endswith((".pt", ".pth", ".bin", ".pkl"))]


def test_the_same_seed_gives_the_same_bytes_also_when_killed_between(trained: Memory, tiny: str) -> None:
    for dies_after in (None, 3):  # of four writes before the card's: two members, the encoder, what was done
        files = Memory(dies_after=dies_after)
        if dies_after is not None:
            with pytest.raises(KeyboardInterrupt):
                train(made_rows(ROWS), None, replace(QUICK, tune=settings(tiny)), files)
            files.dies_after = None
        train(made_rows(ROWS), None, replace(QUICK, tune=settings(tiny)), files)
        assert files.files == trained.files


def test_what_was_tuned_chooses_and_needs_its_encoder(trained: Memory) -> None:
    model = ChoiceModel(trained.files["model.safetensors"], beside=trained.files.__getitem__)
    group = made_rows(1)[:2]
    forward, swapped = model.judge_rows([group, group[::-1]])
    assert forward.winner == 1 - swapped.winner
    assert forward.confidence == pytest.approx(swapped.confidence)
    with pytest.raises(ChoiceError, match=r"belong with encoder\.safetensors"):
        ChoiceModel(trained.files["model.safetensors"])
    with pytest.raises(ChoiceError, match="no fine-tuned"):
        ChoiceModel(trained.files["model.safetensors"], beside=lambda name: trained.files["model.safetensors"])
    with pytest.raises(ChoiceError, match="pickle"):
        ChoiceModel(trained.files["model.safetensors"], beside=lambda name: b"\x80\x02x")


def test_it_learns_and_keeps_the_best_epoch(tiny: str) -> None:
    from rayjob.choice.corpus import read_corpus

    rows = [{**row, "cot": "yes" if row["correct"] else "no"} for row in made_rows(ROWS)]
    corpus = read_corpus(rows)
    pairs = PairSet(corpus.pairs[:24], corpus.weights[:24], corpus.pairs[24:])
    heard: list[str] = []
    found = fine_tune(corpus.reasonings, pairs, replace(settings(tiny), epochs=12, rate=1e-2), 0, heard.append)
    assert len(heard) == 12
    assert min(found.losses) < 0.1
    scores = found.text(corpus.reasonings)
    right = scores[pairs.valid[:, 0]] > scores[pairs.valid[:, 1]]
    assert right.mean() > 0.9


def test_an_encoder_that_learnt_nothing_weighs_nothing() -> None:
    network = np.random.default_rng(0).normal(1, 1, 400)
    own, other = blend(network, -0.1 * network)
    assert (own > 0.5, other) == (True, 0.0)
    assert blend(network, np.full(400, 1.0))[1] > 0


def test_a_long_reasoning_loses_its_middle_and_keeps_its_end(tiny: str) -> None:
    from rayjob.choice.data import Reasoning
    from rayjob.choice.text_scorer import load_pretrained

    text = load_pretrained(tiny, 64, "cpu")
    assert isinstance(text, TextScores)
    ids = text.tokens([Reasoning("q", "how many?", "1 " * 50_000 + "= 9", "9")])[0]
    assert len(ids) == 64
    nine = text.tokens([Reasoning("q", "", "", "9")])[0][2]
    assert ids[-2] == nine


def test_an_encoder_that_is_not_there_or_a_gpu_that_is_not(tmp_path: Path) -> None:
    from rayjob.choice.text_scorer import load_pretrained

    with pytest.raises(ChoiceError, match="no encoder at"):
        load_pretrained(str(tmp_path), 64, "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ChoiceError, match="torch sees no GPU"):
            place_of("cuda")
