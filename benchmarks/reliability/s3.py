"""S3 (moto's server behind a proxy) that answers badly: 503 SlowDown, dropped or silent connections, no bucket.

python -m benchmarks.reliability.s3 --faults    # a share of all requests of a whole run
python -m benchmarks.reliability.s3 --gone      # half-way every request is answered NoSuchBucket; later it is back
python -m benchmarks.reliability.s3 --silent    # half-way nothing answers any more; later it does
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rayjob.store.errors import StoreError
from tests.engine.rig import Job, Paid, provider, wait, wait_until
from tests.engine.test_s3_run import RUN, on_s3, uids_of
from tests.s3_faults import Faults, faulty
from tests.s3_server import SETTINGS, environment, free_port, make_bucket

SHARES = {"slow_down": 0.05, "dropped": 0.02, "silent": 0.01}
ROWS = 61


@contextmanager
def s3_with_faults() -> Iterator[Faults]:
    """A server, the proxy before it, and this process and its children set to use the proxy."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: answers(endpoint), process, 60)
        with (
            faulty(endpoint) as (proxy, faults),
            environment({**SETTINGS, "AWS_ENDPOINT_URL": proxy, "AWS_ENDPOINT_URL_S3": proxy}),
        ):
            yield faults
    finally:
        process.terminate()
        process.wait(10)


def answers(endpoint: str) -> bool:
    """Whether the server is there and has the bucket now."""
    try:
        make_bucket(endpoint, "bucket")
    except OSError:
        return False
    return True


def told(job: Job, code: int, began: float) -> None:
    """The exit code and the last words."""
    said = (job.folder / "run.log").read_text(errors="replace").strip().splitlines()
    print(f"exit {code} after {time.monotonic() - began:.0f} s; it said:")
    print("\n".join(f"    {line[:300]}" for line in said[-4:]))
    print(f"    a traceback: {any('Traceback' in line for line in said)}")


def through_faults(job: Job, faults: Faults, paid: Paid) -> bool:
    """A share of all requests fails in one way or the other."""
    faults.shares = SHARES
    began = time.monotonic()
    code = wait(job.start(), 400)
    faults.shares = {}
    told(job, code, began)
    given = {name: count for name, count in faults.given.items() if name}
    uids = uids_of(RUN)
    print(f"{faults.requests} requests, faults {given}; {len(uids)} rows, paid twice {paid.twice}")
    return (code, len(uids), set(uids.values()), paid.twice) == (1, ROWS, {1}, 0)


def half_way(job: Job, faults: Faults, paid: Paid, how: str) -> bool:
    """From the middle of the run on every request fails; then the storage is back and the same command goes on."""
    process = job.start()
    assert wait_until(lambda: len(uids_now()) > 10, process, 200), "some rows are committed"
    faults.always, began = how, time.monotonic()
    code = wait(process, 500)
    told(job, code, began)
    faults.always = ""
    committed = uids_of(RUN)
    print(f"back: {len(committed)} rows can be read, each once: {set(committed.values()) == {1}}")
    before = paid.total()
    again = job.run(timeout_s=300)
    uids: Counter[str] = uids_of(RUN)
    print(f"the same command: exit {again.code}, {len(uids)} of {ROWS} rows, {paid.total() - before} calls, "
          f"paid twice {paid.twice}")  # fmt: skip
    return code in (2, 3) and again.code == 1 and len(uids) == ROWS and set(uids.values()) == {1}


def uids_now() -> Counter[str]:
    """What is committed, while it grows."""
    try:
        return uids_of(RUN)
    except (OSError, StoreError):
        return Counter()


def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks: dict[str, Callable[[Job, Faults, Paid], bool]] = {
        "faults": through_faults,
        "gone": lambda job, faults, paid: half_way(job, faults, paid, "gone"),
        "silent": lambda job, faults, paid: half_way(job, faults, paid, "silent"),
    }
    for name in checks:
        parser.add_argument(f"--{name}", action="store_true")
    args = parser.parse_args()
    wrong = 0
    for name in checks:
        if getattr(args, name):
            folder = Path(tempfile.mkdtemp(prefix="rayjob-s3-"))
            with s3_with_faults() as faults, provider(latency_s=1.0) as (server, paid):
                job = on_s3(folder, server.url)
                job.sets.append("output.rows_per_file=8")
                print(f"--- {name}", flush=True)
                wrong += not checks[name](job, faults, paid)
            shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(wrong)


if __name__ == "__main__":
    main()
