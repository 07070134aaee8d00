"""Names under which vectors are kept, so that none is computed twice. Keeps nothing itself: the store is passed in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class VectorStore(Protocol):
    """Where vectors are kept by key: a Parquet folder in a run, a dict in a test."""

    def load(self, keys: Sequence[str]) -> Mapping[str, NDArray[np.floating]]: ...

    def save(self, vectors: Mapping[str, NDArray[np.floating]]) -> None: ...


class PartlyEmbeddedError(Exception):
    """Not all texts could be embedded. `known`: the vectors of those that were, by place in what was asked for."""

    def __init__(self, why: str, known: Mapping[int, NDArray[np.floating]]) -> None:
        super().__init__(why)
        self.known = known


def vector_key(text: str, model: str, dtype: str) -> str:
    """32 hex digits of what decides a vector: the text, the model's name, the number format. Batching does not."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (model, dtype, text):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def embed_cached(
    texts: Sequence[str],
    embed: Callable[[Sequence[str]], NDArray[np.floating]],
    store: VectorStore,
    model: str,
    dtype: str = "float32",
) -> NDArray[np.floating]:
    """(n, d) vectors of the texts; only distinct texts that the store lacks are embedded, and then stored.

    Where `embed` raises PartlyEmbeddedError, what it has is stored before that goes on to the caller.
    """
    keys = [vector_key(text, model, dtype) for text in texts]
    known = dict(store.load(sorted(set(keys))))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        names = list(missing)
        try:
            computed = np.asarray(embed(list(missing.values())), dtype)
        except PartlyEmbeddedError as stop:
            _save(store, {names[place]: np.asarray(vector, dtype) for place, vector in stop.known.items()})
            raise
        fresh = dict(zip(names, computed, strict=True))
        _save(store, fresh)
        known.update(fresh)
    return np.stack([known[key] for key in keys]) if keys else np.empty((0, 0), dtype)


def _save(store: VectorStore, vectors: Mapping[str, NDArray[np.floating]]) -> None:
    if vectors:
        store.save(vectors)
