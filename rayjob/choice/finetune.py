"""Fine-tunes a small sentence encoder to score [question SEP reasoning] with a Bradley-Terry loss; on a GPU where
there is one.

Its scores of held-out rows are evidence beside the features': see `blend`. It reads texts, so the guards apply to
it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.embedder import OFFLINE, model_path
from rayjob.choice.errors import ChoiceError
from rayjob.choice.siblings import fit_weights
from rayjob.choice.trees import PairSet

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """`epochs` are the most; the one with the lowest validation loss is kept. Long reasonings keep their end."""

    model: str = OFFLINE
    epochs: int = 3
    batch: int = 32
    rate: float = 5e-5
    max_tokens: int = 384
    device: str = "auto"
    seed: int = 0


class TextScorer(nn.Module):  # type: ignore[misc]  # torch ships no stubs that mypy is let to follow
    """A transformer with mean pooling and one linear score."""

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, 1))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Scores [n] of token ids [n, t] with their mask."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[:, :, None].to(hidden.dtype)
        return self.head((hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1))[:, 0]


def fine_tune(
    reasonings: Sequence[Reasoning], pairs: PairSet, settings: TuneSettings, say: Say = lambda line: None
) -> Array:
    """Trains on `pairs.train`, stops by `pairs.valid`, returns the scores of all reasonings, [n]. `say` hears each
    epoch."""
    torch.manual_seed(settings.seed)
    device = _device(settings.device)
    tokens, scorer = _load(reasonings, settings)
    scorer.to(device)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=settings.rate, weight_decay=0.01)
    steps = settings.epochs * -(-len(pairs.train) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng(settings.seed)
    best_loss, best = float("inf"), np.zeros(len(reasonings))
    for epoch in range(settings.epochs):
        scorer.train()
        order = rng.permutation(len(pairs.train))
        for start in range(0, len(order), settings.batch):
            taken = order[start : start + settings.batch]
            scores = scorer(*_batch(tokens, pairs.train[taken].T.reshape(-1), device))
            difference = scores[: len(taken)] - scores[len(taken) :]
            weights = torch.from_numpy(pairs.weights[taken]).float().to(device)
            loss = (weights * nn.functional.softplus(-difference)).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        found = _scores(scorer, tokens, device)
        valid = float(np.logaddexp(0, found[pairs.valid[:, 1]] - found[pairs.valid[:, 0]]).mean())
        say(f"epoch {epoch}: validation loss {valid:.4f}")
        if valid < best_loss:
            best_loss, best = valid, found
    return best


def blend(network: Array, text: Array, pairs: Pairs) -> tuple[float, float]:
    """Weights of the network's and the fine-tuned encoder's scores, fitted on validation pairs; the mirror is kept."""
    sides = [scores[pairs[:, 0]] - scores[pairs[:, 1]] for scores in (network, text)]
    return fit_weights(sides[0], sides[1])


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ChoiceError("device: cuda, but torch sees no GPU here; use device: auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _load(reasonings: Sequence[Reasoning], settings: TuneSettings) -> tuple[list[list[int]], TextScorer]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ChoiceError("fine-tuning needs transformers: pip install 'rayjob[spread]'") from error
    path = model_path(settings.model)
    tokenizer = AutoTokenizer.from_pretrained(path)
    encoder = AutoModel.from_pretrained(path)
    limit = min(settings.max_tokens, int(encoder.config.max_position_embeddings))
    tokens = [_ids(tokenizer, reasoning, limit) for reasoning in reasonings]
    return tokens, TextScorer(encoder, int(encoder.config.hidden_size))


def _ids(tokenizer: Any, reasoning: Reasoning, limit: int) -> list[int]:
    """[CLS] question [SEP] answer: reasoning [SEP], the middle of a long reasoning left out: its end decides."""
    plain = {"add_special_tokens": False, "truncation": False, "verbose": False}
    question = tokenizer(reasoning.question, **plain)["input_ids"][: limit // 2]
    body = tokenizer(f"{reasoning.answer}: {reasoning.text[:20_000]}", **plain)["input_ids"]
    room = limit - len(question) - 3
    if len(body) > room:
        body = body[: room // 3] + body[-(room - room // 3) :]
    return [tokenizer.cls_token_id, *question, tokenizer.sep_token_id, *body, tokenizer.sep_token_id]


def _batch(tokens: list[list[int]], rows: npt.NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    taken = [tokens[row] for row in rows]
    width = max(map(len, taken))
    ids = torch.zeros(len(taken), width, dtype=torch.long)
    mask = torch.zeros(len(taken), width, dtype=torch.long)
    for place, row in enumerate(taken):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids.to(device), mask.to(device)


def _scores(scorer: TextScorer, tokens: list[list[int]], device: torch.device, batch: int = 128) -> Array:
    scorer.eval()
    order = np.argsort([len(row) for row in tokens], kind="stable")
    found = np.zeros(len(tokens))
    with torch.no_grad():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            found[rows] = scorer(*_batch(tokens, rows, device)).double().cpu().numpy()
    return found
