"""A resume over a million finished rows: the time until it asks, the memory of its processes.

    python -m benchmarks.reliability.million --rows 1000000

A hundred rows are labelled for real; prepared rows and Ray's checkpoint are then filled up with finished ones, and a
hundred more wait. Compared with the same run where nothing is finished.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.reliability.processes import descendants
from tests.engine.rig import Job, make_job, provider, wait

ROWS_A_FILE = 50_000


def fill(job: Job, rows: int) -> None:
    """Finished rows before the ones there are, and those that are there are open again."""
    folder = next((job.out / "stages").iterdir())
    file = next(folder.glob("*.parquet"))
    table = pq.read_table(file)
    checkpoint = next((job.out / "checkpoints").iterdir())
    for number, uids in enumerate(parts(rows)):
        some = table.take(pa.array([at % table.num_rows for at in range(len(uids))]))
        at = some.schema.get_field_index("uid")
        pq.write_table(some.set_column(at, "uid", pa.array(uids)), folder / f"more-{number:04d}.parquet")
        pq.write_table(pa.table({"uid": uids}), checkpoint / f"more-{number:04d}.parquet")
    for old in checkpoint.glob("*.parquet"):
        if not old.name.startswith("more-"):
            old.unlink()
    for name in ("labels", "failures"):
        shutil.rmtree(job.out / name, ignore_errors=True)
    done = folder / "_done.json"
    told = json.loads(done.read_text())
    done.write_text(json.dumps(told | {"rows": told["rows"] + rows}))


def parts(rows: int) -> Iterator[list[str]]:
    """The ids, a file's at a time."""
    for start in range(0, rows, ROWS_A_FILE):
        yield [f"finished-{number:012d}" for number in range(start, min(rows, start + ROWS_A_FILE))]


class Memory(threading.Thread):
    """The largest resident size of each kind of process under one, in MB, shared pages counted in each."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak: dict[str, int] = {}
        self.done = threading.Event()

    def run(self) -> None:
        """Look every half second."""
        while not self.done.wait(0.5):
            for one in descendants(self.pid):
                kind = one.line.split(" ")[0].rsplit("/", 1)[-1][:40]
                self.peak[kind] = max(self.peak.get(kind, 0), resident_mb(one.pid))
            self.peak["driver"] = max(self.peak.get("driver", 0), resident_mb(self.pid))


def resident_mb(pid: int) -> int:
    """0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 >> 20
    except OSError:
        return 0


def timed(job: Job, label: str) -> None:
    """One run: wall time, peak memory."""
    began = time.monotonic()
    process = job.start()
    memory = Memory(process.pid)
    memory.start()
    code = wait(process, 900)
    memory.done.set()
    events = job.events("stage_started")
    asked = [event["t"] for event in job.events("progress") if event.get("phase") == "labelling"]
    print(f"{label}: exit {code}, {time.monotonic() - began:.1f} s in all, {len(asked)} progress events", flush=True)
    if events:
        print(f"  labelling stage took {job.events('stage_done')[-1]['wall_s']:.1f} s")
    print(" ", ", ".join(f"{kind} {mb} MB" for kind, mb in sorted(memory.peak.items(), key=lambda item: -item[1])[:8]))


def main() -> None:
    """Without, then with the million."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rayjob-million-"))
    with provider() as (server, paid):
        job = make_job(folder, server.url, 100)
        timed(job, "100 rows, nothing finished")
        fill(job, args.rows)
        timed(job, f"100 rows, {args.rows:,} finished")
        labelled = len(job.uids())
        print(f"labelled {labelled}, paid twice {paid.twice}, {job.manifest()['counts']}")
    shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(labelled != 100)


if __name__ == "__main__":
    main()
