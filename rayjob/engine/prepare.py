"""The first stage: input files → samples in Parquet, a Ray task a file or a share of one; a small input right here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.engine.columns import PREPARED, to_table
from rayjob.engine.parts import count_heirs
from rayjob.engine.ticker import ParquetRows
from rayjob.labels.records import ALL_ROWS, Share
from rayjob.spec.model import JobSpec
from rayjob.spec.prepare import PrepareStep
from rayjob.steps.prepare import Prepare
from rayjob.store import files
from rayjob.store.address import parse_address
from rayjob.store.errors import StoreError
from rayjob.store.formats import read_records
from rayjob.store.kinds import split_kind
from rayjob.store.listing import FileInfo, Listing, list_input
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder

#: Rows a block: small enough that a 5 MB conversation beside its neighbours is no trouble.
ROWS_A_BLOCK = 1_000
BYTES_A_BLOCK = 32 << 20
#: An input up to here is prepared by the driver, in about the time that Ray takes to start.
BYTES_HERE = 32 << 20
#: Larger files are divided among several tasks. Each scans the whole file, at about 1 GB/s, and parses and cleans its
#: own rows, at 2 to 5 MB/s.
BYTES_A_SHARE = 256 << 20
MOST_SHARES = 16

#: Shows what a stage is at while a block runs; calls back for how far it is.
Telling = Callable[[str, Callable[[], str]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the stage left: where, how many rows (heirs counted apart) and how many of them could not be read."""

    path: str
    rows: int
    heirs: int
    unreadable: int


def prepare_step(job: JobSpec) -> PrepareStep:
    """The spec's prepare step, or the default one."""
    for step in job.steps_of("prepare"):
        assert isinstance(step.settings, PrepareStep)
        return step.settings
    return PrepareStep()


def prepare_rows(job: JobSpec, inputs: Iterable[FileInfo], share: Share = ALL_ROWS) -> Iterator[dict[str, Any]]:
    """The prepared rows of some input files (of each: its `share`), in order."""
    step = Prepare(prepare_step(job), job.input.format, job.input.sample, job.input.seed)
    left = job.input.limit
    for info in inputs:
        records = read_records(info.uri, left, share)
        if left is not None:
            records = _counted(records, counter := [0])
        yield from step(records, info.name)
        if left is not None:
            left -= counter[0]
            if left <= 0:
                return


def _counted(records: Iterable[Any], counter: list[int]) -> Iterator[Any]:
    for record in records:
        counter[0] += 1
        yield record


def blocks_of(rows: Iterable[dict[str, Any]], rows_a_block: int = ROWS_A_BLOCK) -> Iterator[pa.Table]:
    """Rows as Arrow tables, cut by count and by size."""
    batch: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row["transcript"]) + len(row["conversation"])
        if len(batch) >= rows_a_block or size >= BYTES_A_BLOCK:
            yield to_table(batch, PREPARED)
            batch, size = [], 0
    if batch:
        yield to_table(batch, PREPARED)


def run_prepare(
    connect: Callable[[], Any], job: JobSpec, folder: RunFolder, name: str, telling: Telling
) -> tuple[Prepared, list[str]]:
    """Run the stage unless it is done already. Returns what it left and notes for the reader (files passed over).

    `connect` gives Ray, which starts while a small input is prepared.
    """
    path = folder.stage(name)
    done = folder.stage_facts(name)
    if done is not None:
        return Prepared(path, done["rows"], done["heirs"], done["unreadable"]), changed_input(job, done)
    files.delete_folder(path)  # what a killed session left; nothing in it was paid for
    listing = list_files(job)
    began = time.time()
    if sum(info.size for info in listing.files) <= BYTES_HERE:
        with ThreadPoolExecutor(1) as pool:
            written = pool.submit(write_here, job, listing.files, path)
            connect()
            written.result()
    else:
        ray = connect()
        so_far = ParquetRows(path)
        with telling("reading the input", lambda: f"{so_far.count():,} rows so far"):
            _write(ray, job, listing.files, path)
    rows, heirs, unreadable = count_prepared(folder, name)
    facts = {"rows": rows, "heirs": heirs, "unreadable": unreadable, "wall_s": round(time.time() - began, 3)}
    facts |= describe(listing)
    folder.finish_stage(name, facts)
    notes = [f"{len(listing.ignored)} files are not of a known kind and were passed over"] if listing.ignored else []
    return Prepared(path, rows, heirs, unreadable), notes


def list_files(job: JobSpec) -> Listing:
    """The input as it stands now. Raises StoreError."""
    return list_input(job.input.paths, "parquet" if job.input.format == "parquet" else "")


def describe(listing: Listing) -> dict[str, int]:
    """What tells one input from another without reading it: how many files, how many bytes."""
    return {"files": len(listing.files), "bytes": sum(info.size for info in listing.files)}


def changed_input(job: JobSpec, done: Mapping[str, Any]) -> list[str]:
    """A note where the input is no longer what was read; nothing where it cannot be seen any more."""
    try:
        now = describe(list_files(job))
    except StoreError:
        return []
    if all(done.get(name, count) == count for name, count in now.items()):
        return []
    return [
        f"the input has changed since it was read ({done['files']:,} files of {done['bytes']:,} bytes then, "
        f"{now['files']:,} of {now['bytes']:,} now) and is not read again: another --output reads it anew"
    ]


def write_here(job: JobSpec, inputs: Sequence[FileInfo], path: str) -> None:
    """The stage without Ray, one file a block."""
    for number, table in enumerate(blocks_of(prepare_rows(job, inputs))):
        write_parquet(f"{path}/{number:06}.parquet", table)


def divide(job: JobSpec, inputs: Sequence[FileInfo]) -> list[tuple[list[FileInfo], Share]]:
    """What each task reads: a file, or a share of a large one. A limit counts over all files, so one task reads."""
    if job.input.limit is not None:
        return [(list(inputs), ALL_ROWS)]
    found: list[tuple[list[FileInfo], Share]] = []
    for info in inputs:
        is_packed = bool(split_kind(info.uri)[1])
        count = 1 if is_packed else max(1, min(MOST_SHARES, math.ceil(info.size / BYTES_A_SHARE)))
        found += [([info], Share(index, count)) for index in range(count)]
    return found


def _write(ray: Any, job: JobSpec, inputs: Sequence[FileInfo], path: str) -> None:
    work = divide(job, inputs)

    def read(batch: dict[str, Any]) -> Iterator[pa.Table]:
        for position in batch["item"]:
            yield from blocks_of(prepare_rows(job, *work[int(position)]))

    dataset = ray.data.range(len(work), override_num_blocks=len(work)).rename_columns({"id": "item"})
    dataset = dataset.map_batches(read, batch_size=1, num_cpus=0.5)
    address = parse_address(path)
    dataset.write_parquet(address.path, filesystem=address.filesystem(), mode="append", compression="zstd")


def count_prepared(folder: RunFolder, name: str) -> tuple[int, int, int]:
    """Rows, heirs and unreadable rows of the stage, read from two narrow columns."""
    rows = heirs = unreadable = 0
    for uri in folder.parquet(f"stages/{name}"):
        with files.open_input(uri) as source:
            table = pq.read_table(source, columns=["heirs", "failure"])
        rows += table.num_rows
        heirs += count_heirs(table)
        unreadable += table.num_rows - table["failure"].null_count
    return rows, heirs, unreadable
