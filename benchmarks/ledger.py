"""A ledger of millions of answers: time to open, memory of a process, look-ups and entries a second.

    python -m benchmarks.ledger --answers 10000000 --folder /tmp/ledger-bench

Fills the folder first if it is empty (segments as `compact` leaves them: 200,000 answers each). The figures come from a
process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from rayjob.labels.asking import Reply
from rayjob.llm.ledger import Ledger
from rayjob.llm.ledger_index import load_index
from rayjob.llm.records import record_of
from rayjob.llm.segments import RECORD_HEAD, encode_record, encode_segment

A_SEGMENT = 200_000
LABELS = {d: ["some-tag", "another-tag"] for d in ("intent", "language", "domain", "task", "difficulty")}
ANSWER = json.dumps({**LABELS, "confidence": dict.fromkeys(LABELS, 0.9), "unmapped": []})
RECORD = record_of(Reply(ANSWER, "character", "deepseek/deepseek-chat", 1, 5000, 4000, 150, 0.001, 2.5))


class Disk:
    """The ledger's Files on local disk."""

    def read_bytes(self, uri: str, offset: int = 0, length: int | None = None) -> bytes:
        """A range of a file."""
        with open(uri, "rb") as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def write_atomic(self, uri: str, data: bytes) -> None:
        """Whole or not at all."""
        part = Path(uri + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.rename(uri)

    def list_sizes(self, uri: str) -> Mapping[str, int]:
        """Size by path."""
        return {str(path): path.stat().st_size for path in Path(uri).glob("*")}

    def delete(self, uri: str) -> None:
        """Removes one file."""
        Path(uri).unlink()


def key_of(i: int) -> bytes:
    """The key of the i-th answer."""
    return sha256(i.to_bytes(8, "little")).digest()[:16]


def fill(folder: str, answers: int) -> None:
    """Writes segments. Records differ in their keys only; compressing each anew would take minutes and show nothing."""
    payload = encode_record(bytes(16), RECORD)[RECORD_HEAD.size :]
    for number, begin in enumerate(range(0, answers, A_SEGMENT)):
        keys = [key_of(i) for i in range(begin, min(begin + A_SEGMENT, answers))]
        encoded = {key: RECORD_HEAD.pack(key, zlib.crc32(payload, zlib.crc32(key))) + payload for key in keys}
        Disk().write_atomic(f"{folder}/{number:013d}-bench-000000-9.seg", encode_segment(encoded))


def memory_mb() -> float:
    """Resident memory of this process now, and nothing that it once had."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def look_up(ledger: Ledger, keys: list[bytes], at_once: int) -> float:
    """Look-ups a second with so many waiting at a time."""
    began = time.monotonic()
    queue = iter(keys)

    async def worker() -> None:
        for key in queue:
            await ledger.get(key)

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return len(keys) / (time.monotonic() - began)


async def enter(ledger: Ledger, keys: list[bytes]) -> float:
    """Entries a second, made durable."""
    began = time.monotonic()
    for i, key in enumerate(keys):
        ledger.put(key, RECORD)
        if i % 1000 == 0:
            await asyncio.sleep(0)
    await ledger.close()
    return len(keys) / (time.monotonic() - began)


async def measure(folder: str, answers: int) -> dict[str, float]:
    """Everything about opening and reading, in this process."""
    before = memory_mb()
    began = time.monotonic()
    index = load_index(Disk(), folder)
    opened = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    ledger = Ledger.open(Disk(), folder, index)
    rng = random.Random(0)
    hits = [key_of(rng.randrange(answers)) for _ in range(20_000)]
    row_order = [key_of(i) for i in range(50_000, 70_000)]
    misses = [key_of(answers + i) for i in range(100_000)]
    arrays = (index.hi, index.segment, index.offset, index.length)
    return {
        "answers": len(ledger),
        "open_s": round(opened, 2),
        "index_mb": round(sum(array.nbytes for array in arrays) / 2**20, 1),
        "memory_mb": round(memory_mb() - before, 1),
        "peak_while_opening_mb": round(peak, 1),
        "misses_per_s": round(await look_up(ledger, misses, 200)),
        "hits_in_row_order_per_s": round(await look_up(ledger, row_order, 200)),
        "hits_at_random_per_s": round(await look_up(ledger, hits, 200)),
    }


async def measure_writing(folder: str) -> dict[str, float]:
    """Entering 50,000 answers."""
    ledger = Ledger.open(Disk(), folder + "-writing")
    return {"entries_per_s": round(await enter(ledger, [np.random.bytes(16) for _ in range(50_000)]))}


def main() -> None:
    """Prints a table; --json writes the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--folder", default="/tmp/ledger-bench")
    parser.add_argument("--json")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(asyncio.run(measure(args.folder, args.answers)) | asyncio.run(measure_writing(args.folder))))
        return
    if not Path(args.folder).exists():
        began = time.monotonic()
        fill(args.folder, args.answers)
        print(f"filled in {time.monotonic() - began:.0f} s")
    command = [sys.executable, "-m", "benchmarks.ledger", "--child", "--folder", args.folder]
    command += ["--answers", str(args.answers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    table = json.loads(done.stdout)
    for name, value in table.items():
        print(f"{name:28}{value:>14,}")
    if args.json:
        Path(args.json).write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
