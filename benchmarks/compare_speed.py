"""How long `compare` takes: rows × nine dimensions × 1,000 draws. Run: python benchmarks/compare_speed.py [rows]."""

from __future__ import annotations

import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

from rayjob.reports.compare import Options, compare_sides
from rayjob.reports.compare_details import find_details
from rayjob.reports.compare_page import compare_pictures, to_html
from rayjob.reports.compare_tables import all_tables
from rayjob.reports.labelled_files import read_labelled

#: Tags per dimension as in the trial's taxonomy; single-select ones carry a minus.
POOLS = {"intent": -5, "language": 75, "domain": 38, "task": 21, "difficulty": -4, "concept": 25, "agentic": 23,
         "constraint": 24, "context": -6}  # fmt: skip


def answer(rng: random.Random, name: str, size: int) -> object:
    if size < 0:
        return f"{name}-{rng.randrange(-size)}"
    return sorted({f"{name}-{rng.randrange(size)}" for _ in range(rng.randrange(4))})


def write_sides(folder: Path, rows: int) -> list[str]:
    rng = random.Random(0)
    sides: list[list[dict[str, object]]] = [[], []]
    for row in range(rows):
        labels = {name: answer(rng, name, size) for name, size in POOLS.items()}
        other = {
            name: value if rng.random() < 0.7 else answer(rng, name, POOLS[name]) for name, value in labels.items()
        }
        turns = [{"from": "human", "value": "question"}, {"from": "gpt", "value": "answer"}]
        for side, said in zip(sides, (labels, other), strict=True):
            confidence = {name: rng.random() for name in POOLS}
            side.append({"id": f"r{row}", "conversations": turns, "labels": said, "confidence": confidence})
    paths = [folder / "a.json", folder / "b.json"]
    for path, records in zip(paths, sides, strict=True):
        path.write_text(json.dumps(records))
    return [str(path) for path in paths]


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        paths = write_sides(Path(folder), rows)
        started = time.perf_counter()
        sides = [read_labelled(path) for path in paths]
        read = time.perf_counter()
        found = compare_sides(sides, Options(draws=1000))
        compared = time.perf_counter()
        details = find_details(found)
        to_html("speed", all_tables(found, details), compare_pictures(found, details))
        done = time.perf_counter()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{rows:,} rows × {len(POOLS)} dimensions × {found.draws:,} draws")
    print(f"read {read - started:.1f} s, compare {compared - read:.1f} s, details and page {done - compared:.1f} s")
    print(f"total {done - started:.1f} s")


if __name__ == "__main__":
    main()
