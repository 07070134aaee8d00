"""Rows against speed, memory and files: one labelling run a size, two calls a row, a provider that answers at once.

    python -m benchmarks.scale --rows 1000 10000 100000

Memory is the largest resident size of each kind of process, shared memory left out. The driver is `rayjob` itself. The
provider runs on the same machine and takes part of its CPU; `provider alone` is what plain asyncio gets out of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from benchmarks.machine import facts, line
from benchmarks.processes import Usage
from benchmarks.throughput import ask_plainly, provider, run_rayjob

COLUMNS = (
    "rows", "rows/s", "provider alone rows/s", "driver CPU s", "all CPU ms a row", "driver MB", "LLM actor MB",
    "largest other MB", "files", "rows a file",
)  # fmt: skip
#: Of a size, so many rows tell what plain asyncio gets.
MOST_PLAIN = 5_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' ---: |' * len(COLUMNS)}", flush=True)
    found = []
    with tempfile.TemporaryDirectory() as name, provider(0.0, 0.0) as url:
        for rows in args.rows:
            cells = measure(url, rows, args.in_flight, Path(name))
            found.append(dict(zip(COLUMNS, cells, strict=True)))
            print(f"| {' | '.join(f'{cell:,}' for cell in cells)} |", flush=True)
    print(f"\n{line(facts())}")
    if args.json:
        args.json.write_text(json.dumps({"results": found, "machine": facts()}, indent=2) + "\n", encoding="utf-8")


def measure(url: str, rows: int, in_flight: int, folder: Path) -> list[float]:
    """One size."""
    few = min(rows, MOST_PLAIN)
    began = time.monotonic()
    asyncio.run(ask_plainly(url, few, in_flight))
    plain = few / (time.monotonic() - began)
    usage = run_rayjob(url, rows, in_flight, folder)
    output = max(folder.glob("out-*"), key=lambda path: path.stat().st_mtime)
    files = len(list(output.glob("labels/*.parquet")))
    return [
        rows, round(rows / usage.wall_s, 1), round(plain, 1), round(usage.cpu_of("rayjob"), 1),
        round(1000 * usage.cpu_s / rows, 1), *memory(usage), files, round(rows / max(1, files)),
    ]  # fmt: skip


def memory(usage: Usage) -> list[float]:
    """MB of the driver, of the largest LLM actor, of the largest other process."""
    peaks = {name: size >> 20 for name, size in usage.peak_by_name.items()}
    driver = max((size for name, size in peaks.items() if name == "rayjob"), default=0)
    actor = max((size for name, size in peaks.items() if "LlmOperator" in name), default=0)
    others = [size for name, size in peaks.items() if name != "rayjob" and "LlmOperator" not in name]
    return [driver, actor, max(others, default=0)]


if __name__ == "__main__":
    main()
