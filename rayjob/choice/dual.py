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
    layer = network.pos_processor[0]
    assert isinstance(layer, nn.Linear)
    if first.shape[1] != layer.in_features or second.shape != first.shape:
        raise ChoiceError(
            f"vectors of dimension {first.shape[1]}; this network was trained on {layer.in_features}: embed "
            f"with the same model"
        )
    network.eval()
    with torch.no_grad():
        return np.asarray(
            network(torch.from_numpy(first).float(), torch.from_numpy(second).float())[0].double().numpy()
        )


def swap_consistency(network: Dual, first: Vectors, second: Vectors) -> float:
    """Share of pairs whose prediction turns round when the inputs are swapped; 1 for a network that compares."""
    forward, swapped = predict_dual(network, first, second) > 0.5, predict_dual(network, second, first) > 0.5
    return float((forward != swapped).mean())


def train_dual(
    first: Vectors, second: Vectors, labels: npt.NDArray[np.int64], *, epochs: int = 30, seed: int = 0
) -> Dual:
    """The original's recipe: BCE + 0.5 · cross-entropy of the choice head, Adam 1e-3, batches of 32. `labels` 1:
    first is right."""
    with one_thread(seed):
        network = Dual(first.shape[1])
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-5)
        a, b, y = torch.from_numpy(first).float(), torch.from_numpy(second).float(), torch.from_numpy(labels)
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            network.train()
            for batch in torch.from_numpy(rng.permutation(len(y))).split(32):
                if len(batch) < 2:
                    continue  # batch norm needs two
                p, choice = network(a[batch], b[batch])
                target = y[batch]
                loss = nn.functional.binary_cross_entropy(p, target.float()) + 0.5 * nn.functional.cross_entropy(
                    choice, target
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        network.eval()
    return network
