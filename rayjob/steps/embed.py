"""The embed step: a text of each row, as a vector. Which network computes it is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rayjob.spec.spread import EmbedStep
from rayjob.vectors.cache import VectorStore, embed_cached
from rayjob.vectors.check import SpreadError
from rayjob.vectors.masking import mask_content

Row = dict[str, Any]


class EmbedTexts(Protocol):
    """Texts in, (n, d) vectors out: `rayjob.choice.embedder.Embedder`, a model behind LiteLLM, or a script."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.floating[Any]]: ...


class Embed:
    """Adds `vector` to each row. A row that failed before passes through with none.

    `identity`: what beside a text decides its vector, under which the store keeps it.
    """

    def __init__(
        self, spec: EmbedStep, embed: EmbedTexts, store: VectorStore | None = None, identity: str = ""
    ) -> None:
        self.spec, self._embed, self._store = spec, embed, store
        self._identity = identity or spec.model

    def __call__(self, rows: list[Row]) -> list[Row]:
        texts = {place: embed_text(row, self.spec) for place, row in enumerate(rows) if not row.get("failure")}
        vectors = self._vectors(list(texts.values()))
        made = dict(zip(texts, vectors, strict=True))
        return [{**row, "vector": made.get(place)} for place, row in enumerate(rows)]

    def _vectors(self, texts: list[str]) -> NDArray[np.floating[Any]]:
        if self._store is not None:
            return embed_cached(texts, self._embed, self._store, self._identity, self.spec.store)
        # Equal texts are embedded once even without a store.
        distinct = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(distinct)}
        found = self._embed(distinct)
        return found[[place[text] for text in texts]].astype(self.spec.store) if texts else found


def embed_text(row: Row, spec: EmbedStep) -> str:
    """The text of this row that is embedded."""
    values = {name: str(row.get(name) or "") for name in spec.reads}
    if "masked_reasoning" in spec.mentions:
        values["masked_reasoning"] = mask_content(values["reasoning"])
    return spec.render(values)


def vector_column(vectors: NDArray[np.floating[Any]]) -> pa.FixedSizeListArray:
    """(n, d) as an Arrow column of fixed-size lists, without a copy."""
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def read_vectors(column: pa.ChunkedArray | pa.Array) -> NDArray[np.floating[Any]]:
    """The (n, d) matrix of an Arrow column. Raises SpreadError naming the rows where it is null or ragged."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        missing = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
        raise SpreadError("rows without a vector; leave failed rows out first", tuple(int(row) for row in missing))
    lengths = {len(array)} if not len(array) else set(array.value_lengths().unique().to_pylist())
    if len(lengths) > 1:
        raise SpreadError(f"vectors of different lengths in one column: {sorted(lengths)}; embed with one model")
    width = lengths.pop()
    flat: NDArray[np.floating[Any]] = array.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(array), width)
