"""Fine-tunes a small sentence encoder to score reasonings with a Bradley-Terry loss; on a GPU where there is one.

Its scores are evidence beside the features': see `blend`. It reads texts, so the guards apply to it too. On a CPU one
thread, so that one seed gives the same weights: for small runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.embedder import OFFLINE
from rayjob.choice.fit import one_thread
from rayjob.choice.siblings import fit_weights
from rayjob.choice.text_scorer import TextScores, Tokens, load_pretrained, padded, place_of
from rayjob.choice.trees import PairSet

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """`epochs` are the most; the one with the lowest validation loss is kept. Long reasonings lose their middle."""

    encoder: str = OFFLINE
    epochs: int = 3
    batch: int = 32
    rate: float = 5e-5
    max_tokens: int = 384
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Tuned:
    """The tuned scorer, the validation loss after every epoch, and the epoch (from 1) that was kept."""

    text: TextScores
    losses: tuple[float, ...]
    kept: int


def fine_tune(
    reasonings: Sequence[Reasoning], pairs: PairSet, settings: TuneSettings, seed: int, say: Say = lambda line: None
) -> Tuned:
    """Trains on `pairs.train`, stops by `pairs.valid`. `say` hears each epoch."""
    device = place_of(settings.device)
    with one_thread(seed) if device == "cpu" else nullcontext():
        torch.manual_seed(seed)
        text = load_pretrained(settings.encoder, settings.max_tokens, device)
        return _Tuning(text, text.tokens(reasonings), pairs, settings).run(np.random.default_rng(seed), say)


class _Tuning:
    """One training: the optimizer and its schedule beside the scorer."""

    def __init__(self, text: TextScores, tokens: Tokens, pairs: PairSet, settings: TuneSettings) -> None:
        self.text, self.tokens, self.pairs, self.settings = text, tokens, pairs, settings
        self.optimizer = torch.optim.AdamW(text.scorer.parameters(), lr=settings.rate, weight_decay=0.01)
        steps = settings.epochs * -(-len(pairs.train) // settings.batch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.rate, total_steps=max(2, steps), pct_start=0.1
        )

    def run(self, rng: np.random.Generator, say: Say) -> Tuned:
        """All epochs; the scorer ends as it was after the best."""
        scorer, losses = self.text.scorer, []
        best = {name: value.clone() for name, value in scorer.state_dict().items()}
        for _ in range(self.settings.epochs):
            scorer.train()
            order = rng.permutation(len(self.pairs.train))
            for start in range(0, len(order), self.settings.batch):
                self._step(order[start : start + self.settings.batch])
            losses.append(self._loss())
            say(f"epoch {len(losses)}: validation loss {losses[-1]:.4f}")
            if losses[-1] == min(losses):
                best = {name: value.clone() for name, value in scorer.state_dict().items()}
        scorer.load_state_dict(best)
        scorer.eval()
        return Tuned(self.text, tuple(losses), 1 + int(np.argmin(losses)))

    def _step(self, taken: npt.NDArray[np.int64]) -> None:
        rows = self.pairs.train[taken].T.reshape(-1)
        scores = self.text.scorer(*padded(self.tokens, rows, self.text.device))
        difference = scores[: len(taken)] - scores[len(taken) :]
        weights = torch.from_numpy(self.pairs.weights[taken]).float().to(self.text.device)
        loss = (weights * nn.functional.softplus(-difference)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.text.scorer.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()

    def _loss(self) -> float:
        used, places = np.unique(self.pairs.valid, return_inverse=True)
        found = self.text.of_tokens([self.tokens[row] for row in used])[places.reshape(self.pairs.valid.shape)]
        return float(np.logaddexp(0, found[:, 1] - found[:, 0]).mean())


def blend(network: Array, text: Array) -> tuple[float, float]:
    """Weights of the network's and the fine-tuned encoder's log-odds (winner minus loser) of validation pairs; two
    factors without intercept, so the mirror is kept. An encoder that would count against itself learnt nothing: 0."""
    own, other = fit_weights(network, text)
    return (own, other) if other > 0 else (fit_weights(network, np.zeros_like(network))[0], 0.0)


def pair_differences(scores: Array, pairs: Pairs) -> Array:
    """Log-odds of pairs from scores."""
    return np.asarray(scores[pairs[:, 0]] - scores[pairs[:, 1]])
