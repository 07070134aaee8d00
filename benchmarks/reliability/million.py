"""A resume over a million finished rows: the time until it asks, the memory of its processes.

    python -m benchmarks.reliability.million --rows 1000000 --answers 10000000 --ledger /tmp/ledger-bench

A hundred rows are labelled for real; prepared rows and Ray's checkpoint are then filled up with finished ones, a ledger
with answers to other questions, and the hundred are asked again. Compared with the run where nothing is finished.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ledger import fill as fill_ledger
from benchmarks.reliability.processes import descendants
from tests.engine.rig import Job, make_job, provider, wait
from tests.llm_server import Provider

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
    """The largest size of each kind of process under one, in MB: its own pages, and with those it shares."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak: dict[str, tuple[int, int]] = {}
        self.done = threading.Event()

    def run(self) -> None:
        """Look twice a second."""
        while not self.done.wait(0.5):
            for one in descendants(self.pid):
                kind = "driver" if one.parent == self.pid else KIND.sub("", one.line.rsplit("/", 1)[-1])[:40]
                own, resident = sizes_mb(one.pid)
                before = self.peak.get(kind, (0, 0))
                self.peak[kind] = (max(before[0], own), max(before[1], resident))


#: What Ray puts behind the name of what a worker runs.
KIND = re.compile(r"(?<=\))\.\w+$| .*")


def sizes_mb(pid: int) -> tuple[int, int]:
    """(own, resident) of a process; nothing where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0, 0
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return (kb["Private_Clean"] + kb["Private_Dirty"]) >> 10, kb["Rss"] >> 10


def timed(job: Job, server: Provider, label: str) -> None:
    """One run: wall time, time until the first question, peak memory."""
    began, server.first = time.monotonic(), 0.0
    process = job.start()
    memory = Memory(process.pid)
    memory.start()
    code = wait(process, 900)
    memory.done.set()
    events = job.events("stage_started")
    print(f"{label}: exit {code}, {time.monotonic() - began:.1f} s in all", flush=True)
    if events:
        print(f"  first question after {server.first - began:.1f} s")
        print(f"  labelling stage took {job.events('stage_done')[-1]['wall_s']:.1f} s")
    for kind, (own, resident) in sorted(memory.peak.items(), key=lambda item: -item[1][0])[:8]:
        print(f"  {kind:<40} {own:>6} MB of its own, {resident:>6} MB with what it shares")


def main() -> None:
    """Without, then with the million."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--answers", type=int, default=0, help="answers in the ledger")
    parser.add_argument("--ledger", default="/tmp/ledger-bench", help="where they are; filled where it is empty")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rayjob-million-"))
    with provider() as (server, paid):
        job = make_job(folder, server.url, 100)
        timed(job, server, "100 rows, nothing finished")
        fill(job, args.rows)
        if args.answers and not Path(args.ledger).exists():
            fill_ledger(args.ledger, args.answers)
        job.sets.append(f"ledger={{path: {args.ledger if args.answers else folder / 'other'}}}")
        before = paid.total()
        timed(job, server, f"100 rows, {args.rows:,} finished, {args.answers:,} in the ledger")
        labelled = len(job.uids())
        print(f"labelled {labelled} with {paid.total() - before} calls, {job.manifest()['counts']}")
    shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(labelled != 100)


if __name__ == "__main__":
    main()
