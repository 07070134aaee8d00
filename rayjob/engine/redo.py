"""Takes failed rows back, so that the stage does them again: out of failures/ and out of Ray's checkpoint."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder

#: What is being taken back; finished by the next session where this one dies in the middle.
INTENT = "redo.json"
#: How Ray names the marks of files whose commit has not come.
PENDING = ".pending.parquet"
#: Failures of the outside world, which another attempt may well mend.
TRANSIENT = ("timeout", "overload", "server", "connection", "auth")


def count_committed(folder: RunFolder, stage: str) -> int:
    """Rows that a stage has committed, heirs included, by the footers of its checkpoint."""
    count = 0
    for uri in folder.parquet(f"checkpoints/{stage}"):
        if not uri.endswith(PENDING):
            with files.open_input(uri) as source:
                count += int(pq.read_metadata(source).num_rows)
    return count


def take_back(folder: RunFolder, stage: str, kinds: Collection[str]) -> int:
    """Forget the failures of these kinds that the stage committed; returns how many rows will be done again."""
    uids = [uid for uri in folder.parquet("failures") for uid in _uids_of(uri, kinds)]
    uids = _committed_by(folder, stage, uids) if uids else []
    if uids:
        folder.write_json(INTENT, {"stage": stage, "uids": uids})
        finish_redo(folder)
    return len(uids)


def finish_redo(folder: RunFolder) -> None:
    """Carry out an intent, also one that a killed session left. Idempotent.

    The checkpoint is rewritten first: a row that is in failures/ and not in the checkpoint is done again and then
    stands twice for as long as this function has not ended; the other way round it would be lost.
    """
    intent = folder.read_json(INTENT)
    if intent is None:
        return
    uids = pa.array(sorted(set(intent["uids"])), pa.string())
    _drop_rows(folder.parquet(f"checkpoints/{intent['stage']}"), uids)
    _drop_rows(folder.parquet("failures"), uids)
    files.delete(folder.at(INTENT))


def _uids_of(uri: str, kinds: Collection[str]) -> list[str]:
    with files.open_input(uri) as source:
        table = pq.read_table(source, columns=["uid", "kind"])
    chosen = pc.is_in(table["kind"], value_set=pa.array(sorted(kinds), pa.string()))
    found: list[str] = table.filter(chosen)["uid"].to_pylist()
    return found


def _committed_by(folder: RunFolder, stage: str, uids: Collection[str]) -> list[str]:
    """Those that this stage committed: a run that spreads labels has several, and each takes back its own."""
    wanted = pa.array(sorted(uids), pa.string())
    found: list[str] = []
    for uri in folder.parquet(f"checkpoints/{stage}"):
        if not uri.endswith(PENDING):
            with files.open_input(uri) as source:
                known = pq.read_table(source, columns=["uid"])["uid"]
            found += known.filter(pc.is_in(known, value_set=wanted)).to_pylist()
    return found


def _drop_rows(uris: Iterable[str], uids: pa.Array) -> None:
    for uri in uris:
        table = pq.read_table(io.BytesIO(files.read_bytes(uri)))
        kept = table.filter(pc.invert(pc.is_in(table["uid"], value_set=uids)))
        if kept.num_rows == table.num_rows:
            continue
        if kept.num_rows:
            write_parquet(uri, kept)
        else:
            files.delete(uri)
