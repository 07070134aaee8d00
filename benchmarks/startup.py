"""How long `rayjob run` takes on 20 rows against a provider that answers at once, and where the time goes.

    python -m benchmarks.startup --repeat 5

Two baselines in the same run: Python that imports Ray, and Python that starts Ray, reads a table and shuts down.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import Bench
from benchmarks.throughput import ROOT, provider, run_rayjob

IMPORTS = "import ray.data"
RAY_ALONE = """
import os, ray
os.environ["RAY_DATA_USE_DATASOURCE_V2"] = "0"
ray.init(address="local", log_to_driver=False, include_dashboard=False)
import ray.data
ray.data.range(20).map_batches(lambda batch: batch).materialize()
ray.shutdown()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    bench = Bench(f"start: {args.rows} rows, a provider that answers at once", unit="s")
    with tempfile.TemporaryDirectory() as name, provider(0.0, 0.0) as url:
        for _ in range(args.repeat):
            bench.add("python: import ray.data", timed(IMPORTS))
            bench.add("python: Ray started, 20 rows, shut down", timed(RAY_ALONE))
            began = time.time()
            usage = run_rayjob(url, args.rows, 20, Path(name))
            bench.add("rayjob run", usage.wall_s)
            for phase, seconds in phases(newest(Path(name)), began, usage.wall_s):
                bench.add(f"  {phase}", seconds)
    bench.report(args.json)


def timed(code: str) -> float:
    """Wall seconds of a Python process."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
    return time.monotonic() - began


def newest(folder: Path) -> Path:
    """The output folder of the latest run."""
    return max(folder.glob("out-*"), key=lambda path: path.stat().st_mtime)


def phases(run: Path, began: float, wall_s: float) -> list[tuple[str, float]]:
    """What the run said it was at, and for how long; before its first word it imports."""
    said = [("imports", began)]
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "progress" and event["phase"] != said[-1][0]:
            said.append((re.sub(r" \d+ ", " ", event["phase"]), event["t"]))
    ends = [t for _, t in said[1:]] + [began + wall_s]
    return [(name, end - start) for (name, start), end in zip(said, ends, strict=True)]


if __name__ == "__main__":
    main()
