"""The symmetric network: one encoder for every reasoning, a Bradley-Terry score, P(a beats b) = sigmoid(s_a - s_b).

Swapping a and b mirrors the answer exactly, by construction; a ranking of any number of candidates is the order of
their scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rayjob.choice.trees import Forest

CLIP = 4.0
#: The least deviations that features are divided by: for the line, and for strangeness.
LEAST_UNIT, LEAST_SPREAD = 0.25, 0.05


class Mlp(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """A linear and a hidden path over standardised features and, where there are any, vectors: [n, f + d] → [n]."""

    def __init__(self, inputs: int, hidden: int = 48, dropout: float = 0.4) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 1, bias=False)
        self.hidden = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scores of standardised rows."""
        return (self.linear(x) + self.hidden(x))[:, 0]


class Trees(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """Boosted oblivious trees as tensors: [n, f] raw features → [n]."""

    features: Tensor
    thresholds: Tensor
    leaves: Tensor
    powers: Tensor

    def __init__(self, trees: int, depth: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(trees, depth, dtype=torch.int64))
        self.register_buffer("thresholds", torch.zeros(trees, depth))
        self.register_buffer("leaves", torch.zeros(trees, 2**depth))
        self.register_buffer("powers", 2 ** torch.arange(depth - 1, -1, -1), persistent=False)

    @classmethod
    def of(cls, forest: Forest) -> Trees:
        """The trees that training grew."""
        made = cls(*forest.features.shape)
        made.load_state_dict({
            "features": torch.from_numpy(forest.features), "thresholds": torch.from_numpy(forest.thresholds),
            "leaves": torch.from_numpy(forest.leaves),
        })  # fmt: skip
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Scores of raw rows: the leaf of every tree, added up."""
        columns = x.T.contiguous()  # whole columns are fetched at once: several times faster than row by row
        leaf = torch.zeros(len(self.leaves), len(x), dtype=torch.int64, device=x.device)
        for level in range(self.features.shape[1]):
            right = columns.index_select(0, self.features[:, level]) > self.thresholds[:, level, None]
            leaf += right * self.powers[level]
        return self.leaves.gather(1, leaf).sum(dim=0)


class Member(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """One member of the ensemble, trained with its own validation fold: trees, a small network and a linear score.

    In the midst of what it was trained on the three count alike. A reasoning that is stranger than most of the
    training ones is scored by the linear part alone: what trees and network learnt beyond it holds where they saw it.
    """

    mean: Tensor
    scale: Tensor
    mask: Tensor
    line: Tensor
    centres: Tensor
    rates: Tensor
    strange: Tensor

    def __init__(self, features: int, vectors: int, trees: tuple[int, int], hidden: int) -> None:
        super().__init__()
        size = features + vectors
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        # 0: a feature of the question, which only the trees may read (elsewhere it cancels, or marks the domain).
        self.register_buffer("mask", torch.ones(size))
        self.register_buffer("line", torch.zeros(size))
        # Of network, trees and line: the mean score of the training rows, and what makes their log-odds calibrated.
        self.register_buffer("centres", torch.zeros(3))
        self.register_buffer("rates", torch.ones(3))
        # Up to the first strangeness all parts count, beyond the second only the line.
        self.register_buffer("strange", torch.tensor([1.0, 2.0]))
        self.mlp = Mlp(size, hidden)
        self.trees = Trees(*trees)
        self.split = features

    def standardise(self, x: Tensor) -> Tensor:
        """Mean 0, deviation 1 as on the training folds; clipped, so that no single feature can decide alone."""
        return ((x - self.mean) / self.scale).clamp(-CLIP, CLIP) * self.mask

    def natural(self, x: Tensor) -> Tensor:
        """What the line reads: mean 0, divided by no less than a quarter of a unit."""
        return ((x - self.mean) / self.scale.clamp(min=LEAST_UNIT)).clamp(-2 * CLIP, 2 * CLIP) * self.mask

    def strangeness(self, x: Tensor) -> Tensor:
        """Mean squared deviation of a row's features from the training rows' mean, in their deviations, each at most
        CLIP: [n]."""
        z = (x - self.mean)[:, : self.split] / self.scale[: self.split].clamp(min=LEAST_SPREAD)
        return (z * z).clamp(max=CLIP * CLIP).mean(dim=1)

    def parts(self, x: Tensor) -> Tensor:
        """Scores of network, trees and line: [3, n], not centred."""
        found = (self.mlp(self.standardise(x)), self.trees(x[:, : self.split]), self.natural(x) @ self.line)
        return torch.stack(found)

    def forward(self, x: Tensor) -> Tensor:
        """Bradley-Terry scores [n] of rows [n, features + vectors]."""
        network, trees, line = (self.parts(x) - self.centres[:, None]) * self.rates[:, None]
        low, high = self.strange
        trust = ((high - self.strangeness(x)) / (high - low)).clamp(0, 1)
        return line + trust * (network + trees - 2 * line) / 3


class Symmetric(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """The ensemble: mean score of its members, divided by the calibrated temperature."""

    temperature: Tensor

    def __init__(self, members: list[Member]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Calibrated scores [n]; the difference of two is the log-odds that the first is the better one."""
        total = torch.stack([member(x) for member in self.members]).mean(dim=0)
        return total / self.temperature


def build(shapes: Mapping[str, object]) -> Symmetric:
    """An empty network of the shapes a model file states: features, vectors, hidden, trees = [[count, depth], …]."""
    trees = shapes["trees"]
    if not isinstance(trees, list) or not trees:
        raise ValueError("a model file's shapes name the trees of every member")
    sizes = [int(str(shapes[name])) for name in ("features", "vectors", "hidden")]
    return Symmetric([Member(sizes[0], sizes[1], (int(count), int(depth)), sizes[2]) for count, depth in trees])
