"""Spreads labels over one part of the rows, as a Ray task: each row is labelled, sent on, or left. Asks nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rayjob.engine.columns import PREPARED, labelled, split_failures, to_table
from rayjob.engine.operator import with_heirs
from rayjob.engine.parts import Part, count_heirs
from rayjob.plan.resolve import Resolved, Texts, resolve_texts
from rayjob.spec.model import JobSpec
from rayjob.steps.build import RowPipeline
from rayjob.steps.embed import read_vectors
from rayjob.steps.propagate import Propagated, Spreader
from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder

Row = dict[str, Any]
#: A prepared row that is sent on, and the labels it takes along.
SENT_ON = PREPARED.append(pa.field("given", pa.large_string()))


@dataclass(frozen=True, slots=True)
class SpreadWork:
    """What every task needs. `embed` and `stage` name stages; `otherwise`: label, review or leave."""

    job: JobSpec
    texts: Texts
    output: str
    embed: str
    stage: str
    otherwise: str

    def marker(self, part: Part) -> str:
        """What says that a part is done, and what became of its rows."""
        return f"stages/{self.stage}/{part.name}.json"


def spread_part(work: SpreadWork, part: Part, bought: frozenset[int], spreader: Spreader) -> dict[str, Any]:
    """Write the part's share of labels/ and of the rows sent on; its marker comes last, so a killed part starts anew.

    `bought`: rows (within the part) that have a label of their own.
    """
    folder, resolved = RunFolder(work.output), resolve_texts(work.job, work.texts)
    with files.open_input(folder.at("stages", work.embed, f"{part.name}.parquet")) as source:
        embedded = pq.read_table(source)
    places = embedded["place"].to_pylist()
    rows = [number for number, place in enumerate(places) if place not in bought]
    found = spreader(read_vectors(embedded["vector"].take(pa.array(rows, pa.int64())))) if rows else []
    prepared = part.read(PREPARED.names).take(pa.array([places[row] for row in rows], pa.int64())).to_pylist()
    done, sent = divide(prepared, found, resolved, work.otherwise)
    name = f"{work.stage}-{part.name}.parquet"
    write_or_delete(folder.at("labels", name), finish_rows(done, resolved))
    rest = to_table(sent, SENT_ON)
    write_or_delete(folder.at("stages", work.stage, "rest", f"{part.name}.parquet"), rest)
    accepted = Counter(dimension for row in found for dimension, label in row.items() if label.accepted)
    marker = {
        "rows": len(rows), "accepted": dict(sorted(accepted.items())), "sent": rest.num_rows,
        "heirs": count_heirs(rest),
    }  # fmt: skip
    folder.write_json(work.marker(part), marker)
    return marker


def margin_part(uri: str, spreader: Spreader) -> NDArray[np.float32]:
    """(n,) how sure the spreader is of each row of one file of vectors."""
    with files.open_input(uri) as source:
        table = pq.read_table(source)
    return spreader.margin(read_vectors(table["vector"])) if table.num_rows else np.empty(0, np.float32)


def divide(
    rows: Sequence[Row], found: Sequence[Mapping[str, Propagated]], resolved: Resolved, otherwise: str
) -> tuple[list[Row], list[Row]]:
    """(rows that are labelled now, rows that are sent on), each with its accepted labels in `given`."""
    done: list[Row] = []
    sent: list[Row] = []
    needed = set(resolved.dimensions())
    for row, labels in zip(rows, found, strict=True):
        accepted = {name: label for name, label in labels.items() if label.accepted}
        given = {**row, "given": orjson.dumps(given_labels(accepted)).decode()}
        (done if needed <= accepted.keys() or otherwise == "leave" else sent).append(given)
    return done, sent


def given_labels(accepted: Mapping[str, Propagated]) -> dict[str, Any]:
    """What `take_given` puts into a row."""
    return {
        "labels": {name: found.label for name, found in accepted.items()},
        "confidence": {name: found.confidence for name, found in accepted.items()},
        "propagated": [
            {
                "dimension": name, "confidence": found.confidence, "sources": list(found.sources),
                "distances": list(found.distances),
            }
            for name, found in accepted.items()
        ],
    }  # fmt: skip


def finish_rows(rows: Sequence[Row], resolved: Resolved) -> pa.Table:
    """Rows with `given` labels as labels/ holds them, heirs behind the rows they inherit from."""
    pipeline = RowPipeline((), resolved)
    finished = [heir for row in rows for heir in with_heirs(pipeline.spread(row))]
    return split_failures(to_table(finished, labelled(resolved.taxonomy, resolved.dimensions())))[0]


def write_or_delete(uri: str, table: pa.Table) -> None:
    """The table as this file; no file where it is empty, not even one that an earlier attempt left."""
    if table.num_rows:
        write_parquet(uri, table)
    else:
        files.delete(uri)
