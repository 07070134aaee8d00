"""The original's network, as published, to compare with: two processors, no symmetry. Loads its .pth as tensors
only."""

from __future__ import annotations

import io
import pickle

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rayjob.choice.errors import ChoiceError
from rayjob.choice.fit import one_thread
from rayjob.choice.trees import PairSet

Vectors = npt.NDArray[np.float32]


def _processor(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs), nn.Dropout(dropout)]


class Dual(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """Two processors d→256; 512→256→128→1 sigmoid; choice head 512→128→2. Layer names are those of the published
    weights."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.pos_processor = nn.Sequential(*_processor(dimension, 256, 0.3))
        self.neg_processor = nn.Sequential(*_processor(dimension, 256, 0.3))
        self.combined_network = nn.Sequential(
            *_processor(512, 256, 0.3), *_processor(256, 128, 0.3), nn.Linear(128, 1), nn.Sigmoid()
        )
        self.choice_layer = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 2))

    @property
    def dimension(self) -> int:
        """Of the vectors it takes."""
        layer = self.pos_processor[0]
        assert isinstance(layer, nn.Linear)
        return int(layer.in_features)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Probability that the first is right [n], and the choice head's logits [n, 2]."""
        joined = torch.cat([self.pos_processor(first), self.neg_processor(second)], dim=1)
        return self.combined_network(joined)[:, 0], self.choice_layer(joined)


def load_dual(data: bytes) -> Dual:
    """The network of a published state dict. Reads tensors only (`weights_only`); raises ChoiceError for anything
    else."""
    try:
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        network = Dual(state["pos_processor.0.weight"].shape[1])
        network.load_state_dict(state)
    except (pickle.UnpicklingError, EOFError) as error:
        raise ChoiceError(
            f"the weight file holds more than tensors and was not read ({str(error).splitlines()[0]}); give "
            f"tensors only"
        ) from error
    except (RuntimeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ChoiceError(
            f"the weight file is no state dict of architecture dual ({str(error).splitlines()[0]})"
        ) from error
    network.eval()
    return network


def predict_dual(network: Dual, first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """Probability that the first of each pair is right, [n]. Raises ChoiceError for vectors of another dimension."""
    if first.shape[1] != network.dimension or second.shape != first.shape:
        raise ChoiceError(
            f"vectors of dimension {first.shape[1]}; this network was trained on {network.dimension}: embed "
            f"with the same model"
        )
    network.eval()
    place = network.choice_layer[0].weight.device
    with torch.no_grad():
        sides = (torch.from_numpy(side).float().to(place) for side in (first, second))
        return np.asarray(network(*sides)[0].double().cpu().numpy())


def swap_consistency(network: Dual, first: Vectors, second: Vectors) -> float:
    """Share of pairs whose prediction turns round when the inputs are swapped; 1 for a network that compares."""
    forward, swapped = predict_dual(network, first, second) > 0.5, predict_dual(network, second, first) > 0.5
    return float((forward != swapped).mean())


def train_dual(
    vectors: Vectors,
    pairs: PairSet,
    *,
    epochs: int = 30,
    seed: int = 0,
) -> Dual:
    """The original's recipe (BCE + 0.5 · cross-entropy of the choice head, Adam 1e-3, batches of 32) on pairs of rows
    of `vectors` [n, d], every pair in both orders; kept is the epoch with the lowest loss on `pairs.valid`."""
    with one_thread(seed):
        network = Dual(vectors.shape[1])
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-5)
        x, weights = torch.from_numpy(vectors).float(), torch.from_numpy(pairs.weights).float()
        train, valid = torch.from_numpy(pairs.train), torch.from_numpy(pairs.valid)
        rng = np.random.default_rng(seed)
        best_loss, best = float("inf"), {name: value.clone() for name, value in network.state_dict().items()}
        for _ in range(epochs):
            network.train()
            for batch in torch.from_numpy(rng.permutation(len(train))).split(32):
                # In a random order, drawn anew every epoch: which side stands first says nothing.
                turned = torch.from_numpy(rng.random(len(batch)) < 0.5)
                ends = torch.where(turned[:, None], train[batch].flip(1), train[batch])
                if len(batch) > 1:  # batch norm needs two
                    _step(network, optimizer, (x[ends[:, 0]], x[ends[:, 1]]), (~turned).long(), weights[batch])
            loss = _valid_loss(network, x, valid)
            if loss < best_loss:
                best_loss, best = loss, {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(best)
        network.eval()
    return network


def _step(
    network: Dual, optimizer: torch.optim.Optimizer, sides: tuple[Tensor, Tensor], target: Tensor, weights: Tensor
) -> None:
    p, choice = network(*sides)
    loss = nn.functional.binary_cross_entropy(p, target.float(), weights)
    loss = loss + 0.5 * (weights * nn.functional.cross_entropy(choice, target, reduction="none")).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _valid_loss(network: Dual, x: Tensor, valid: Tensor) -> float:
    """Mean over both orders of minus the log-probability of the truth."""
    network.eval()
    with torch.no_grad():
        first, second = network(x[valid[:, 0]], x[valid[:, 1]])[0], network(x[valid[:, 1]], x[valid[:, 0]])[0]
    return float(-(first.clamp(1e-6, 1).log() + (1 - second).clamp(1e-6, 1).log()).mean() / 2)
