"""The rows chosen for a label of their own, round by round, and the labels they got. Chooses and asks nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rayjob.engine.spread_table import SpreadTable
from rayjob.labels.tags import LabelValue
from rayjob.store import files
from rayjob.store.parquetread import read_batches
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder
from rayjob.vectors.represent import Chosen, join_chosen


@dataclass(frozen=True, slots=True)
class Bought:
    """Rows that have labels, in the order chosen: `labels[dimension]` and `rounds` (m,) follow `chosen.rows`.

    None is a missing label: the row was asked about, and the answer holds nothing for this dimension.
    """

    chosen: Chosen
    rounds: np.ndarray[tuple[int], np.dtype[np.int64]]
    uids: tuple[str, ...]
    labels: Mapping[str, Sequence[LabelValue | None]]

    def up_to(self, number: int) -> Bought:
        """What the rounds up to this one bought, with the whole audit: it stands for the rows that were not bought."""
        kept = np.flatnonzero((self.rounds <= number) | self.chosen.is_audit)
        uids = tuple(self.uids[place] for place in kept.tolist())
        labels = {name: [values[place] for place in kept.tolist()] for name, values in self.labels.items()}
        return Bought(self.chosen.take(kept), self.rounds[kept], uids, labels)


def write_chosen(uri: str, chosen: Chosen, table: SpreadTable) -> None:
    """A round's rows: row of the table, uid, whether audit."""
    columns = {"row": chosen.rows, "uid": table.uids.take(pa.array(chosen.rows)), "audit": chosen.is_audit}
    write_parquet(uri, pa.table(columns))


def read_chosen(uri: str) -> Chosen | None:
    """A round's rows; None where it has not been chosen."""
    if not files.exists(uri):
        return None
    with files.open_input(uri) as source:
        table = pq.read_table(source)
    return Chosen(table["row"].to_numpy().astype(np.int64), table["audit"].to_numpy(zero_copy_only=False))


def read_bought(folder: RunFolder, table: SpreadTable, rounds: Sequence[Chosen], dimensions: Sequence[str]) -> Bought:
    """The chosen rows that stand in labels/; those whose label failed are left out."""
    chosen = join_chosen(rounds)
    number = np.concatenate([np.full(len(part.rows), place, np.int64) for place, part in enumerate(rounds)])
    uids = table.uids.take(pa.array(chosen.rows)).to_pylist()
    known = read_labels(folder, uids)
    kept = np.array([place for place, uid in enumerate(uids) if uid in known], np.int64)
    named = tuple(uids[place] for place in kept)
    labels = {name: [known[uid].get(name) for uid in named] for name in dimensions}
    return Bought(chosen.take(kept), number[kept], named, labels)


def read_labels(folder: RunFolder, uids: Sequence[str]) -> dict[str, dict[str, LabelValue | None]]:
    """What was answered about these rows, by uid, as far as labels/ has them; labels that were spread are no answers.

    They stand there where a stop cut `propagate` short: read as bought, they would teach and audit themselves.
    """
    wanted = pa.array(uids, pa.string())
    found: dict[str, dict[str, LabelValue | None]] = {}
    for uri in folder.parquet("labels"):
        if _SPREAD.search(uri):
            continue
        for batch in read_batches(uri, ["uid", "labels", "confidence", "unmapped"]):
            for row in batch.filter(pc.is_in(batch["uid"], value_set=wanted)).to_pylist():
                found[row["uid"]] = answers(row)
    return found


def answers(row: Mapping[str, Any]) -> dict[str, LabelValue | None]:
    """By dimension what a labelled row was answered; None where tags came that the pool lacks, and no other."""
    confidence = row["confidence"] or {}
    unsaid = {found["dimension"] for found in row.get("unmapped") or () if found["kind"] == "violation"}
    return {
        name: given(label, None if name in unsaid else confidence.get(name)) for name, label in row["labels"].items()
    }


#: Files that `spread_part` wrote; those of label steps and of `ask` are called otherwise.
_SPREAD = re.compile(r"-part-\d+\.parquet$")


def given(label: LabelValue | None, confidence: float | None) -> LabelValue | None:
    """None for what is no answer: an empty tag, or an empty set that nobody is sure of (a sure one says "no tag")."""
    return label if label or (label == [] and confidence) else None
