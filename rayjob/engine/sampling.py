"""A real sample of an input, and how many samples the whole of it will give. Reads files; needs no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rayjob.engine.prepare import prepare_rows
from rayjob.spec.model import JobSpec
from rayjob.store.listing import FileInfo, list_input

#: Up to this size the whole input is prepared, so that the number of calls is exact.
EXACT_BYTES = 4 << 20
SAMPLED_FILES = 8
RECORDS_A_FILE = 50
#: JSON shrinks about this much under gzip and zstd.
COMPRESSION = 4.0


@dataclass(frozen=True, slots=True)
class InputSample:
    """Prepared rows; `samples`: rows of the whole input, counted where `exact`, else scaled up by bytes; `asked`: those
    of them that a model is asked about, which heirs of other rows' labels are not."""

    rows: Sequence[dict[str, Any]]
    samples: float
    asked: float
    exact: bool
    files: int
    bytes: int

    def describe(self) -> str:
        """One sentence about the input."""
        bad = sum(1 for row in self.rows if row.get("failure"))
        formats = Counter(str(row["format"]) for row in self.rows if not row.get("failure"))
        kinds = ", ".join(f"{name} {count}" for name, count in formats.most_common())
        count = f"{self.samples:,.0f} samples" if self.exact else f"about {self.samples:,.0f} samples"
        unread = f", {bad} of them unreadable" if bad else ""
        seen = "" if self.exact else f"; estimated from {len(self.rows)} of them"
        where = f"{self.files} file{'s' if self.files != 1 else ''} ({size_text(self.bytes)})"
        return f"{count}{unread} in {where}; {kinds}{seen}"


def size_text(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def sample_input(job: JobSpec) -> InputSample:
    """Read the whole of a small input, or the first records of some files of a large one. Raises StoreError."""
    listing = list_input(job.input.paths, "parquet" if job.input.format == "parquet" else "")
    size = sum(info.size for info in listing.files)
    if size <= EXACT_BYTES or job.input.limit is not None:
        rows = list(prepare_rows(job, listing.files))
        return InputSample(rows, len(rows) * _with_heirs(rows), len(rows), True, len(listing.files), size)
    step = max(1, len(listing.files) // SAMPLED_FILES)
    some = listing.files[::step][:SAMPLED_FILES]
    rows = []
    per_byte: list[float] = []
    for info in some:
        found, read = _first_records(job, info)
        rows += found
        if read:
            per_byte.append(len(found) / read * (COMPRESSION if info.uri.endswith((".gz", ".zst")) else 1.0))
    asked = sum(per_byte) / len(per_byte) * size * job.input.sample if per_byte else 0.0
    return InputSample(rows, asked * _with_heirs(rows), asked, False, len(listing.files), size)


def _with_heirs(rows: Sequence[dict[str, Any]]) -> float:
    """Samples a prepared row: itself, and the replies that inherit its labels."""
    return 1 + sum(len(row["heirs"]) for row in rows) / len(rows) if rows else 1.0


def _first_records(job: JobSpec, info: FileInfo) -> tuple[list[dict[str, Any]], int]:
    """Rows of a file's first records, all of them, and the size of those records in bytes as JSON text."""
    whole = job.input.model_copy(update={"limit": RECORDS_A_FILE, "sample": 1.0})
    small = job.model_copy(update={"input": whole})
    rows = list(islice(prepare_rows(small, [info]), RECORDS_A_FILE * 50))
    records = {row["row"]: len(row["conversation"].encode()) + len(row["metadata"].encode()) for row in rows}
    return rows, sum(records.values())
