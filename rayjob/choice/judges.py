"""Trained models as judges of pairs: the log-odds that the first of two reasonings is the better one. Trains
nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.dual import Dual, predict_dual
from rayjob.choice.embedder import Embedder
from rayjob.choice.errors import ChoiceError
from rayjob.choice.network import Symmetric
from rayjob.choice.table import FeatureTable, build_table
from rayjob.choice.text_scorer import TextScores

Array = npt.NDArray[np.float64]


class Judge(Protocol):
    """What training, guards and `choose` ask of a model."""

    @property
    def mirrors(self) -> bool:
        """Whether swapping two reasonings mirrors the answer by construction."""
        ...

    def logits(self, reasonings: Sequence[Reasoning], pairs: Pairs, table: FeatureTable | None = None) -> Array:
        """Calibrated log-odds [n] that the first of each pair (places in `reasonings`) is better."""
        ...

    def one_way(self, reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
        """The same asked once, in the order that the pairs stand in: what a swap is tested with."""
        ...

    def group_scores(
        self, reasonings: Sequence[Reasoning], sizes: Sequence[int], table: FeatureTable | None = None
    ) -> Array:
        """A score per reasoning; differences within a group (of `sizes`, in order) are log-odds."""
        ...


@dataclass(slots=True)
class SymmetricJudge:
    """The shared encoder's scores, and beside them, where there is one, a fine-tuned text encoder's, weighted."""

    network: Symmetric
    device: str = "cpu"
    text: TextScores | None = None
    weights: tuple[float, float] = (1.0, 0.0)

    @property
    def mirrors(self) -> bool:
        return True

    def scores(self, reasonings: Sequence[Reasoning], table: FeatureTable | None = None) -> Array:
        """Bradley-Terry scores [n]; `table` are the reasonings' features where they were computed before."""
        found = self.table_scores(table if table is not None else build_table(reasonings))
        if self.text is None:
            return found
        own, other = self.weights
        return own * found + other * self.text(reasonings)

    def table_scores(self, table: FeatureTable) -> Array:
        """Scores [n] by the features alone."""
        values = table.values if not table.vectors.shape[1] else np.concatenate([table.values, table.vectors], axis=1)
        with torch.no_grad():
            return np.asarray(self.network(torch.from_numpy(values).to(self.device)).double().cpu().numpy())

    def logits(self, reasonings: Sequence[Reasoning], pairs: Pairs, table: FeatureTable | None = None) -> Array:
        used, places = np.unique(pairs, return_inverse=True)  # only these are read: reading is what costs
        known = None if table is None else table.take(used)
        taken = [reasonings[index] for index in used] if table is None or self.text is not None else ()
        scores = self.scores(taken, known)[places.reshape(pairs.shape)]
        return np.asarray(scores[:, 0] - scores[:, 1])

    def one_way(self, reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
        return self.logits(reasonings, pairs)

    def group_scores(
        self, reasonings: Sequence[Reasoning], sizes: Sequence[int], table: FeatureTable | None = None
    ) -> Array:
        return self.scores(reasonings, table)


class Vectors:
    """The vectors of reasonings: their own where `encoder` is "", else embedded, each text once."""

    def __init__(self, encoder: str, dimension: int = 0, device: str = "cpu") -> None:
        self.encoder, self.dimension, self.device = encoder, dimension, device
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        self._model: Embedder | None = None

    def __call__(self, reasonings: Sequence[Reasoning]) -> npt.NDArray[np.float32]:
        """[n, d]. Raises ChoiceError for vectors that are missing or of another dimension."""
        found = self._embedded(reasonings) if self.encoder else [reasoning.vector for reasoning in reasonings]
        sizes = sorted({len(vector) for vector in found})
        if sizes != [self.dimension or (sizes or [0])[-1]] or sizes == [0]:
            raise ChoiceError(
                f"vectors of dimension {', '.join(map(str, sizes)) or 0}, the network takes {self.dimension or 'one'}: "
                "give every row a `vector` of the same embedding model"
            )
        return np.asarray(found, dtype=np.float32)

    def _embedded(self, reasonings: Sequence[Reasoning]) -> list[npt.NDArray[np.float32]]:
        texts = [f"{reasoning.answer}: {reasoning.text}" for reasoning in reasonings]
        new = sorted({text for text in texts if text not in self._known})
        if new:
            self._model = self._model or Embedder(self.encoder, "cuda" if self.device == "cuda" else "cpu")
            self._known.update(zip(new, self._model(new), strict=True))
        return [self._known[text] for text in texts]


@dataclass(slots=True)
class DualJudge:
    """The original's network. It does not mirror, so a verdict is the mean of both orders; `one_way` shows it raw."""

    network: Dual
    vectors: Vectors
    temperature: float = 1.0

    @property
    def mirrors(self) -> bool:
        return False

    def logits(self, reasonings: Sequence[Reasoning], pairs: Pairs, table: FeatureTable | None = None) -> Array:
        return (self.one_way(reasonings, pairs) - self.one_way(reasonings, pairs[:, ::-1])) / 2

    def one_way(self, reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
        used, places = np.unique(pairs, return_inverse=True)
        vectors, places = self.vectors([reasonings[index] for index in used]), places.reshape(pairs.shape)
        p = predict_dual(self.network, vectors[places[:, 0]], vectors[places[:, 1]]).clip(1e-6, 1 - 1e-6)
        return np.asarray(np.log(p / (1 - p)) / self.temperature)

    def group_scores(
        self, reasonings: Sequence[Reasoning], sizes: Sequence[int], table: FeatureTable | None = None
    ) -> Array:
        """A candidate's mean log-odds against its group, itself included: of two, the difference is their log-odds."""
        found = np.zeros(len(reasonings))
        pairs, start = [], 0
        for size in sizes:
            group = range(start, start + size)
            pairs += [(a, b, size) for a in group for b in group if a < b]
            start += size
        if pairs:
            table_of_pairs = np.asarray(pairs, dtype=np.int64)
            logits = self.logits(reasonings, table_of_pairs[:, :2]) / table_of_pairs[:, 2]
            np.add.at(found, table_of_pairs[:, 0], logits)
            np.add.at(found, table_of_pairs[:, 1], -logits)
        return found
