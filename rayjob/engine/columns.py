"""The Arrow types of every table between stages, and how rows become blocks of them. One place for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rayjob.labels.taxonomy import Taxonomy

FAILURE = pa.struct([("kind", pa.string()), ("message", pa.string()), ("step", pa.string()), ("attempts", pa.int64())])
IDENTITY = [
    ("uid", pa.string()), ("id", pa.string()), ("source", pa.string()), ("row", pa.int64()), ("turn", pa.int32()),
    ("format", pa.string()), ("conversation", pa.large_string()), ("metadata", pa.large_string()),
]  # fmt: skip
#: Replies that are not asked about: each becomes a row with the labels of the sample that carries it.
HEIRS = pa.list_(pa.struct([("uid", pa.string()), ("id", pa.string()), ("turn", pa.int32())]))
PREPARED = pa.schema(
    [
        *IDENTITY, ("transcript", pa.large_string()), ("query", pa.large_string()), ("answer", pa.large_string()),
        ("reasoning", pa.large_string()), ("signals", pa.string()), ("dropped_chars", pa.int64()),
        ("heirs", HEIRS), ("failure", FAILURE),
    ]
)  # fmt: skip
UNMAPPED = pa.list_(pa.struct([("dimension", pa.string()), ("value", pa.string()), ("kind", pa.string())]))
CANONICALIZED = pa.list_(
    pa.struct([("dimension", pa.string()), ("value", pa.string()), ("to_dimension", pa.string()), ("to", pa.string())])
)
CALLS = pa.list_(
    pa.struct(
        [
            ("step", pa.string()), ("model", pa.string()), ("attempts", pa.int64()), ("prompt_tokens", pa.int64()),
            ("cached_tokens", pa.int64()), ("completion_tokens", pa.int64()), ("cost_usd", pa.float64()),
            ("latency_s", pa.float64()), ("from_ledger", pa.bool_()),
        ]
    )
)  # fmt: skip
#: Labels that came from other rows: how sure, which labelled rows were nearest, and how far they are.
PROPAGATED = pa.list_(
    pa.struct(
        [
            ("dimension", pa.string()), ("confidence", pa.float64()), ("sources", pa.list_(pa.string())),
            ("distances", pa.list_(pa.float64())),
        ]
    )
)  # fmt: skip
#: Prepared rows with competing reasonings.
CANDIDATES = pa.list_(
    pa.struct(
        [("reasoning", pa.large_string()), ("answer", pa.string()), ("model", pa.string()), ("side", pa.string())]
    )
)
KEPT = [field for field in PREPARED if field.name not in ("heirs", "failure")]
GENERATED = pa.schema([*KEPT, ("candidates", CANDIDATES), ("calls", CALLS), ("failure", FAILURE)])
FAILED = pa.schema(
    [
        ("uid", pa.string()), ("id", pa.string()), ("source", pa.string()), ("row", pa.int64()), ("turn", pa.int32()),
        ("kind", pa.string()), ("message", pa.string()), ("step", pa.string()), ("attempts", pa.int64()),
        ("format", pa.string()), ("input", pa.large_string()), ("metadata", pa.large_string()), ("calls", CALLS),
    ]
)  # fmt: skip


def labels_type(taxonomy: Taxonomy, dimensions: Sequence[str]) -> pa.StructType:
    """A string per single-select dimension, a list of strings per multi-select one."""
    by_select = {"single": pa.string(), "multi": pa.list_(pa.string())}
    return pa.struct([(name, by_select[taxonomy.dimensions[name].select]) for name in dimensions])


def labelled(taxonomy: Taxonomy, dimensions: Sequence[str]) -> pa.Schema:
    """What an LLM operator gives: identity, labels and how they came about, or a failure."""
    labels = labels_type(taxonomy, dimensions)
    confidence = pa.struct([(name, pa.float64()) for name in dimensions])
    return pa.schema(
        [
            *IDENTITY, ("labels", labels), ("confidence", confidence), ("first_labels", labels),
            ("unmapped", UNMAPPED), ("canonicalized", CANONICALIZED), ("issues", pa.list_(pa.string())),
            ("warnings", pa.list_(pa.string())), ("arbitrated", pa.bool_()), ("calls", CALLS),
            ("inherits", pa.string()), ("propagated", PROPAGATED), ("failure", FAILURE),
        ]
    )  # fmt: skip


def to_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as one table of exactly this schema; keys a row lacks become null, keys it has beyond are dropped."""
    arrays = [pa.array([row.get(field.name) for row in rows], type=field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def split_failures(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The labelled rows (without `failure`), and the failed ones as `failures/` holds them."""
    failed = table["failure"].is_valid()
    good = table.filter(pa.compute.invert(failed)).drop_columns(["failure"])
    bad = table.filter(failed)
    reason = bad["failure"].combine_chunks()
    reason = pa.concat_arrays(reason.chunks) if isinstance(reason, pa.ChunkedArray) else reason
    columns = {name: bad[name] for name in ("uid", "id", "source", "row", "turn", "format", "metadata")}
    columns |= {field.name: reason.field(field.name) for field in FAILURE}
    columns |= {"input": bad["conversation"], "calls": bad["calls"] if "calls" in bad.column_names else None}
    arrays = [
        pa.nulls(bad.num_rows, field.type) if columns[field.name] is None else columns[field.name] for field in FAILED
    ]
    return good, pa.Table.from_arrays(arrays, schema=FAILED)
