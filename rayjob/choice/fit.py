"""Fits one member of the symmetric network on CPU, bit for bit the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.functional import softplus

from rayjob.choice.linear import fit_linear
from rayjob.choice.network import Member, Mlp, Trees
from rayjob.choice.scores import fit_temperature
from rayjob.choice.table import FeatureTable
from rayjob.choice.trees import PairSet, TreeSettings, grow


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a member is trained: epochs are the most; the epoch with the lowest validation loss is kept."""

    hidden: int = 48
    epochs: int = 15
    batch: int = 512
    rate: float = 2e-3
    decay: float = 0.05
    trees: TreeSettings = field(default_factory=TreeSettings)


def fit_member(
    table: FeatureTable, rows: np.ndarray, pairs: PairSet, settings: FitSettings, seed: int, penalty: float
) -> Member:
    """A member trained on `pairs`; `rows` (the training folds' reasonings) give mean and deviation, so no test row
    does. `penalty` is the line's."""
    x = np.concatenate([table.values, table.vectors], axis=1)
    with one_thread(seed):
        trees = Trees.of(grow(table.values, pairs, settings.trees, seed))
        member = Member(
            table.values.shape[1], table.vectors.shape[1], (len(trees.leaves), settings.trees.depth), settings.hidden
        )
        member.trees = trees
        _fit_units(member, table, x[rows])
        inputs = torch.from_numpy(x)
        _fit_mlp(member.mlp, member.standardise(inputs), pairs, settings, seed)
        member.eval()
        member.line.copy_(_fit_line(member.natural(inputs), pairs, penalty))
        _join(member, inputs, rows, pairs)
    return member


#: How features of the question alone are called.
OF_THE_QUESTION = ("cue_", "asks_")
#: Shares of the training rows that are less strange than where trust begins to fall, and than where it ends.
TRUSTED = (0.75, 0.95)


def _fit_units(member: Member, table: FeatureTable, known: np.ndarray) -> None:
    deviation = known.std(axis=0)
    member.mean.copy_(torch.from_numpy(known.mean(axis=0)))
    member.scale.copy_(torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)))
    for place, name in enumerate(table.names):
        member.mask[place] = float(not name.startswith(OF_THE_QUESTION))


def _fit_line(values: torch.Tensor, pairs: PairSet, penalty: float) -> torch.Tensor:
    natural = values.double().numpy()
    differences = natural[pairs.train[:, 0]] - natural[pairs.train[:, 1]]
    return torch.from_numpy(fit_linear(differences, pairs.weights, penalty)).float()


def _join(member: Member, inputs: torch.Tensor, rows: np.ndarray, pairs: PairSet) -> None:
    """Centres of the parts, the rate that calibrates each on the validation pairs, and what is strange."""
    with torch.no_grad():
        parts = member.parts(inputs).double().numpy()
        strange = member.strangeness(inputs).double().numpy()[rows]
    logits = parts[:, pairs.valid[:, 0]] - parts[:, pairs.valid[:, 1]]
    member.centres.copy_(torch.from_numpy(parts[:, rows].mean(axis=1)))
    member.rates.copy_(torch.tensor([1 / fit_temperature(part) for part in logits]))
    low, high = np.quantile(strange, TRUSTED)
    member.strange.copy_(torch.tensor([low, max(high, low + 1e-6)]))


@contextmanager
def one_thread(seed: int) -> Iterator[None]:
    """One torch thread, seeded: sums in one order, so that the same seed gives the same bytes."""
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.random.set_rng_state(state)


def _fit_mlp(mlp: Mlp, x: torch.Tensor, pairs: PairSet, settings: FitSettings, seed: int) -> None:
    rng = np.random.default_rng(seed)
    train, weights, valid = (
        torch.from_numpy(pairs.train),
        torch.from_numpy(pairs.weights).float(),
        torch.from_numpy(pairs.valid),
    )
    optimizer = torch.optim.AdamW(mlp.parameters(), lr=settings.rate, weight_decay=settings.decay)
    steps = settings.epochs * -(-len(train) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps)
    best_loss, best = float("inf"), {name: value.clone() for name, value in mlp.state_dict().items()}
    for _ in range(settings.epochs):
        mlp.train()
        for batch in torch.from_numpy(rng.permutation(len(train))).split(settings.batch):
            difference = mlp(x[train[batch, 0]]) - mlp(x[train[batch, 1]])
            loss = (weights[batch] * softplus(-difference)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        loss_now = _valid_loss(mlp, x, valid)
        if loss_now < best_loss:
            best_loss, best = loss_now, {name: value.clone() for name, value in mlp.state_dict().items()}
    mlp.load_state_dict(best)


def _valid_loss(mlp: Mlp, x: torch.Tensor, valid: torch.Tensor) -> float:
    mlp.eval()
    with torch.no_grad():
        return float(softplus(mlp(x[valid[:, 1]]) - mlp(x[valid[:, 0]])).mean())
