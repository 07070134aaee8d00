"""A small sentence encoder with one score for [question SEP answer: reasoning SEP], as safetensors. Trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from rayjob.choice.data import Reasoning
from rayjob.choice.embedder import EmbedderError, hide_bars, model_path
from rayjob.choice.errors import ChoiceError

Array = npt.NDArray[np.float64]
Tokens = list[list[int]]
#: Longer texts lose their middle before they are made into tokens, most of which would be left out anyway.
MAX_CHARS = 20_000


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


@dataclass(slots=True)
class TextScores:
    """A scorer with its tokenizer: reasonings in, scores [n] out; the log-odds of a pair are their difference."""

    scorer: TextScorer
    tokenizer: Any
    max_tokens: int
    device: str = "cpu"

    def __call__(self, reasonings: Sequence[Reasoning]) -> Array:
        return self.of_tokens(self.tokens(reasonings))

    def tokens(self, reasonings: Sequence[Reasoning]) -> Tokens:
        """[CLS] question [SEP] answer: reasoning [SEP] as ids; a long reasoning loses its middle: its end decides."""
        return [token_ids(self.tokenizer, reasoning, self.max_tokens) for reasoning in reasonings]

    def of_tokens(self, tokens: Tokens, batch: int = 128) -> Array:
        """Scores [n]; texts of like length go together."""
        self.scorer.eval()
        order = np.argsort([len(row) for row in tokens], kind="stable")
        found = np.zeros(len(tokens))
        with torch.no_grad():
            for start in range(0, len(order), batch):
                rows = order[start : start + batch]
                found[rows] = self.scorer(*padded(tokens, rows, self.device)).double().cpu().numpy()
        return found


def place_of(device: str) -> str:
    """cuda or cpu. Raises ChoiceError where a GPU is asked for and none is there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ChoiceError("device: cuda, but torch sees no GPU here; use device: auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def load_pretrained(model: str, max_tokens: int, device: str) -> TextScores:
    """An encoder as it was pretrained, with a new head. Raises ChoiceError where it cannot be had."""
    try:
        from transformers import AutoModel, AutoTokenizer

        hide_bars()
        path = model_path(model)
        tokenizer, encoder = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
    except (ImportError, EmbedderError) as error:
        raise ChoiceError(f"fine-tuning: {error}; pip install '.[spread]' in rayjob's checkout") from error
    except (OSError, ValueError) as error:
        raise ChoiceError(f"no encoder at '{model}': {str(error).splitlines()[0]}") from error
    limit = min(max_tokens, int(encoder.config.max_position_embeddings))
    scorer = TextScorer(encoder, int(encoder.config.hidden_size)).to(device)
    return TextScores(scorer, tokenizer, limit, device)


def save_scorer(scorer: TextScorer) -> bytes:
    """The tensors; the tokenizer and the shapes are the base encoder's."""
    state = {name: value.detach().cpu().contiguous() for name, value in sorted(scorer.state_dict().items())}
    return bytes(save_tensors(state))


def load_scorer(data: bytes, model: str, max_tokens: int, device: str) -> TextScores:
    """A fine-tuned encoder. Raises ChoiceError for tensors that are not of this base encoder."""
    found = load_pretrained(model, max_tokens, device)
    try:
        found.scorer.load_state_dict(load_tensors(data))
    except (RuntimeError, SafetensorError) as error:
        raise ChoiceError(f"encoder.safetensors is no fine-tuned '{model}' ({str(error).splitlines()[0]})") from error
    found.scorer.eval()
    return found


def token_ids(tokenizer: Any, reasoning: Reasoning, limit: int) -> list[int]:
    """The ids of one reasoning, at most `limit`."""
    plain = {"add_special_tokens": False, "truncation": False, "verbose": False}
    question = tokenizer(reasoning.question, **plain)["input_ids"][: limit // 2]
    text = reasoning.text if len(reasoning.text) <= MAX_CHARS else reasoning.text[:10_000] + reasoning.text[-10_000:]
    body = tokenizer(f"{reasoning.answer[:1000]}: {text}", **plain)["input_ids"]
    room = limit - len(question) - 3
    if len(body) > room:
        body = body[: room // 3] + body[-(room - room // 3) :]
    return [tokenizer.cls_token_id, *question, tokenizer.sep_token_id, *body, tokenizer.sep_token_id]


def padded(tokens: Tokens, rows: npt.NDArray[np.int64], device: str) -> tuple[Tensor, Tensor]:
    """Ids and mask [n, t] of some rows."""
    taken = [tokens[row] for row in rows]
    width = max(map(len, taken))
    ids = torch.zeros(len(taken), width, dtype=torch.long)
    mask = torch.zeros(len(taken), width, dtype=torch.long)
    for place, row in enumerate(taken):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids.to(device), mask.to(device)
