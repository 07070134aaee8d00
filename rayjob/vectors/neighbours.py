"""The k nearest rows of an index, exact or by inverted lists: the same twice, picklable, a block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, SpreadError, blocks, unit

#: Up to this many indexed rows every distance is computed; beyond, faiss reads only the nearest lists.
EXACT_ROWS = 100_000
#: In a table beyond that, indexes that every row is looked up in (anchors, labelled rows) have lists from here on.
LISTED_ROWS = 5_000
#: One block of similarities stays under 64 MB.
_CELLS = 16_000_000


@dataclass(frozen=True, slots=True)
class Near:
    """Row i: the indexed rows nearest to query i, nearest first (n, k), and their euclidean distances (n, k)."""

    rows: Ints
    distances: NDArray[np.float32]


def exact_rows_for(table_rows: int) -> int:
    """Up to how many indexed rows an index that all rows of the table are looked up in computes every distance."""
    return EXACT_ROWS if table_rows <= EXACT_ROWS else LISTED_ROWS


class Neighbours:
    """An index over unit vectors. Beyond `exact_rows` it needs faiss (extra `spread`): SpreadError without it.

    Inverted lists and not HNSW: a graph built on several threads differs from run to run, lists do not.
    """

    def __init__(self, vectors: Floats, seed: int = 0, exact_rows: int = EXACT_ROWS) -> None:
        self.rows = len(vectors)
        self._exact: NDArray[np.float32] | None = None
        self._lists: Any = None
        if self.rows <= exact_rows:
            self._exact = unit(vectors)
        else:
            self._lists = _inverted_lists(vectors, seed)

    def search(self, queries: Floats, k: int) -> Near:
        """The min(k, rows) nearest indexed rows of each query row; equal distances keep the order of the index."""
        k = min(k, self.rows)
        step = max(1, _CELLS // self.rows) if self._exact is not None else 8192
        found = [self._search_block(unit(queries[part]), k) for part in blocks(len(queries), step)]
        if not found:
            return Near(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        similarity = np.concatenate([part[0] for part in found])
        rows = np.concatenate([part[1] for part in found])
        distance = np.sqrt(np.maximum(2 - 2 * similarity, 0)).astype(np.float32)
        return Near(rows, distance)

    def _search_block(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], Ints]:
        if self._exact is None:
            return self._search_lists(queries, k)
        products = queries @ self._exact.T
        return _top(products, k)

    def _search_lists(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], Ints]:
        """faiss says row -1 where the lists it read hold fewer than k rows: those queries read all lists."""
        similarity, rows = self._lists.search(queries, k)
        short = np.flatnonzero(rows[:, -1] < 0)
        if len(short):
            everywhere = _faiss().SearchParametersIVF(nprobe=self._lists.nlist)
            similarity[short], rows[short] = self._lists.search(queries[short], k, params=everywhere)
        return similarity, rows.astype(np.int64)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._lists is not None:
            state["_lists"] = _faiss().serialize_index(self._lists)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._lists is not None:
            faiss = _faiss()
            self._lists = faiss.deserialize_index(self._lists)
            faiss.ParameterSpace().set_index_parameter(self._lists, "nprobe", _PROBES)


_PROBES = 16


def _top(products: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], Ints]:
    """The k largest of each row, largest first, ties by the lower column."""
    if k == 1:
        columns = products.argmax(axis=1)[:, None]
        return np.take_along_axis(products, columns, axis=1), columns.astype(np.int64)
    if k < products.shape[1]:
        columns = np.sort(np.argpartition(-products, k - 1, axis=1)[:, :k], axis=1)
    else:
        columns = np.broadcast_to(np.arange(k), products.shape)
    values = np.take_along_axis(products, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(columns, order, axis=1).astype(np.int64)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        message = f"more than {EXACT_ROWS:,} rows need faiss, which is not installed; run `pip install '.[spread]'`"
        raise SpreadError(f"{message} in the checkout") from error
    return faiss


def _inverted_lists(vectors: Floats, seed: int) -> Any:
    faiss = _faiss()
    rows, width = vectors.shape
    lists = int(2 ** np.round(np.log2(np.sqrt(rows))))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter = (seed + 1) % 2**31, 10
    picked = np.sort(np.random.default_rng(seed).choice(rows, size=min(rows, 40 * lists), replace=False))
    index.train(unit(vectors[picked]))
    for part in blocks(rows):
        index.add(unit(vectors[part]))
    index.nprobe = _PROBES
    return index
