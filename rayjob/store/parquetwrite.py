"""Writes a small table as one Parquet file that is whole or absent."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.store import files


def write_parquet(uri: str, table: pa.Table) -> None:
    """One Parquet file, zstd. Raises StoreError."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    files.write_atomic(uri, buffer.getvalue())
