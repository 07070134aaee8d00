"""The vectors of a whole table as one memory map, rows in the order of the parts. Computes nothing on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from rayjob.steps.embed import read_vectors
from rayjob.store import files
from rayjob.vectors.check import SpreadError, not_finite

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SpreadTable:
    """(n, d) vectors, uids (n,), and where the rows of each part begin: `starts` (parts + 1,).

    `places` (n,): the row within its part.
    """

    vectors: NDArray[np.floating[Any]]
    uids: pa.ChunkedArray
    starts: Ints
    places: Ints

    def __len__(self) -> int:
        return len(self.vectors)

    def by_part(self, rows: Ints) -> dict[int, Ints]:
        """Rows of the table as places within their parts, by part number, both ascending."""
        ordered = np.sort(rows)
        numbers = np.searchsorted(self.starts, ordered, side="right") - 1
        return {int(number): self.places[ordered[numbers == number]] for number in np.unique(numbers)}


def open_table(uris: Sequence[str], scratch: str) -> SpreadTable:
    """Read the embed stage's files, one at a time, into a memory map at `scratch`.

    Raises SpreadError where there is no row, or where vectors are not finite.
    """
    sizes, width, dtype = [], 0, np.dtype(np.float32)
    for uri in uris:
        with files.open_input(uri) as source:
            parquet = pq.ParquetFile(source)
            sizes.append(parquet.metadata.num_rows)
            if sizes[-1]:
                kind = parquet.schema_arrow.field("vector").type
                width, dtype = kind.list_size, np.dtype(kind.value_type.to_pandas_dtype())
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    if not width:
        raise SpreadError("no row could be embedded: every row failed before, or the input is empty")
    vectors = open_memmap(scratch, mode="w+", dtype=dtype, shape=(int(starts[-1]), width))
    uids, places, bad = [], [], list[str]()
    for uri, start, size in zip(uris, starts, sizes, strict=False):
        if size:
            with files.open_input(uri) as source:
                table = pq.read_table(source)
            vectors[start : start + size] = read_vectors(table["vector"])
            uids.append(table["uid"].cast(pa.string()))
            bad += uids[-1].filter(pa.array(not_finite(vectors[start : start + size]))).to_pylist()
            places.append(table["place"].to_numpy())
    if bad:
        shown = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        raise SpreadError(
            f"{len(bad)} of {len(vectors)} vectors hold NaN or infinity: {shown}; take these rows out of the input, or "
            f"embed with compute: float32 or another model into another output"
        )
    return SpreadTable(vectors, pa.chunked_array([chunk for found in uids for chunk in found.chunks]), starts,
                       np.concatenate(places).astype(np.int64))  # fmt: skip
