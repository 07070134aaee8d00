"""The original's network: its published weights, its published figure, and what swapping its inputs does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from rayjob.choice.dual import load_dual, predict_dual, swap_consistency, train_dual
from rayjob.choice.errors import ChoiceError
from tests.shared_data import shared


def test_the_published_weights_give_five_of_six_and_ignore_a_swap() -> None:
    network = load_dual(shared("cot_origin/best_binary_choice_model.pth").read_bytes())
    with np.load(shared("cot_origin/dual_embeddings_cache.npz")) as file:
        first, second = file["pos_embeddings"].astype(np.float32), file["neg_embeddings"].astype(np.float32)
        labels = file["labels"]
    _, test = train_test_split(np.arange(30), test_size=0.2, random_state=42, stratify=labels)
    right = (predict_dual(network, first, second) > 0.5) == labels
    assert right[test].sum() == 5
    assert swap_consistency(network, first, second) == 0.0


def test_it_trains_the_same_twice_and_refuses_other_dimensions() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(64, 8)).astype(np.float32) for _ in range(2))
    labels = (first[:, 0] > second[:, 0]).astype(np.int64)
    networks = [train_dual(first, second, labels, epochs=3, seed=1) for _ in range(2)]
    predictions = [predict_dual(network, first, second) for network in networks]
    assert (predictions[0] == predictions[1]).all()
    with pytest.raises(ChoiceError, match="vectors of dimension 4; this network was trained on 8"):
        predict_dual(networks[0], first[:, :4], second[:, :4])
