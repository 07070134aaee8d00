"""What `rayjob ledger` does: list, count, export, prune, compact. Works on a ledger that runs are writing to."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from rayjob.llm.ledger_index import SUFFIX, Files, list_segments
from rayjob.llm.segments import DamagedError, decode_record, encode_segment, iter_records

#: Size of a compacted segment: 200,000 answers of a labelling job.
TARGET_BYTES = 64 << 20
#: Segments younger than this may be merged by their writer any moment.
RESTING_S = 600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One paid answer as the ledger holds it."""

    key: str
    step: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    entered: float
    text: str


@dataclass(slots=True)
class Totals:
    """Answers, tokens and dollars of one step and model."""

    answers: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What compacting or pruning did."""

    segments_before: int = 0
    segments_after: int = 0
    kept: int = 0
    removed: int = 0
    damaged: list[str] = field(default_factory=list)


def list_entries(files: Files, path: str) -> Iterator[Entry]:
    """Every answer, oldest segment first; one segment in memory at a time. Of repeated answers only the first."""
    seen: set[bytes] = set()
    for uri in list_segments(files, path):
        entered = entered_at(uri)
        for key, blob in _records(files, uri, []):
            if key not in seen:
                seen.add(key)
                yield _entry(key, decode_record(blob)[1], entered)


def total_ledger(files: Files, path: str) -> dict[tuple[str, str], Totals]:
    """Totals by (step, model), sorted."""
    totals: defaultdict[tuple[str, str], Totals] = defaultdict(Totals)
    for entry in list_entries(files, path):
        total = totals[entry.step, entry.model]
        total.answers += 1
        total.tokens += entry.prompt_tokens + entry.completion_tokens
        total.cost_usd += entry.cost_usd
    return dict(sorted(totals.items()))


def compact_ledger(files: Files, path: str, resting_s: float = RESTING_S) -> Outcome:
    """Merges small segments into large ones and drops repeated answers. Those younger than `resting_s` stay."""
    return _rewrite(files, path, lambda entry: True, resting_s, all_segments=False)


def prune_ledger(files: Files, path: str, keep: Callable[[Entry], bool], resting_s: float = RESTING_S) -> Outcome:
    """Drops every answer that `keep` refuses, from segments older than `resting_s`."""
    return _rewrite(files, path, keep, resting_s, all_segments=True)


def entered_at(uri: str) -> float:
    """Seconds since 1970 at which a segment was written, from its name."""
    digits = uri.rpartition("/")[2].partition("-")[0]
    return int(digits) / 1000 if digits.isdigit() else 0.0


def _rewrite(
    files: Files, path: str, keep: Callable[[Entry], bool], resting_s: float, *, all_segments: bool
) -> Outcome:
    sizes = files.list_sizes(path)
    segments = sorted(uri for uri in sizes if uri.endswith(SUFFIX))
    resting = [uri for uri in segments if time.time() - entered_at(uri) >= resting_s]
    chosen = [uri for uri in resting if all_segments or sizes[uri] < TARGET_BYTES // 2]
    outcome = Outcome(segments_before=len(segments), segments_after=len(segments))
    if len(chosen) < 2 and not all_segments:
        return outcome
    batch: dict[bytes, bytes] = {}
    sources: list[str] = []
    seen: set[bytes] = set()
    for uri in chosen:
        for key, blob in _records(files, uri, outcome.damaged):
            wanted = key not in seen and keep(_entry(key, decode_record(blob)[1], entered_at(uri)))
            seen.add(key)
            outcome.removed += not wanted
            if wanted:
                batch[key] = blob
        if uri not in outcome.damaged:  # what cannot be read is not deleted either
            sources.append(uri)
        if sum(sizes[source] for source in sources) >= TARGET_BYTES:
            _replace(files, path, sources, batch, outcome)
            batch, sources = {}, []
    _replace(files, path, sources, batch, outcome)
    return outcome


def _replace(files: Files, path: str, sources: list[str], batch: dict[bytes, bytes], outcome: Outcome) -> None:
    """Writes a batch, then deletes what it came from: a crash in between repeats answers, it loses none."""
    if not sources:
        return
    if batch:
        # Named after its newest source, so that an answer's age stays known.
        stem = max(sources).rpartition("/")[2].partition("-")[0]
        target = f"{path.rstrip('/')}/{stem}-compact-{time.time_ns():x}-9{SUFFIX}"
        files.write_atomic(target, encode_segment(batch))
        outcome.segments_after += 1
    for uri in sources:
        with suppress(FileNotFoundError):
            files.delete(uri)
    outcome.segments_after -= len(sources)
    outcome.kept += len(batch)


def _records(files: Files, uri: str, damaged: list[str]) -> Iterator[tuple[bytes, bytes]]:
    try:
        yield from iter_records(files.read_bytes(uri))
    except DamagedError:
        damaged.append(uri)
    except FileNotFoundError:
        return


def _entry(key: bytes, record: bytes, entered: float) -> Entry:
    kept = orjson.loads(record)
    return Entry(
        key.hex(), kept.get("step", ""), kept["model"], kept["prompt_tokens"], kept["completion_tokens"],
        kept["cost_usd"], entered, kept["text"],
    )  # fmt: skip
