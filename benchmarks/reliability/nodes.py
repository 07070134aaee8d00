"""A local cluster of three nodes: one dies in the middle of a run; two runs share one governor; nodes come as needed.

python -m benchmarks.reliability.nodes --lose      # kill one of three nodes, no session is lost
python -m benchmarks.reliability.nodes --share     # two runs at once under one limit
python -m benchmarks.reliability.nodes --grow      # one node that becomes up to three
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.reliability.growing import growing_cluster
from tests.engine.rig import Job, make_job, provider, wait, wait_until

CPUS = 4


@contextmanager
def three_nodes() -> Iterator[Any]:
    """A head and two more nodes, of 4 CPU slots each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": CPUS, "object_store_memory": 200 << 20})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=CPUS, object_store_memory=200 << 20)
        yield cluster
    finally:
        cluster.shutdown()


def told(job: Job, rows: int, paid: Any, code: int) -> bool:
    """Print what became of a run."""
    uids = job.uids()
    right = code == 0 and len(uids) == rows and set(uids.values()) == {1}
    print(f"exit {code}, {len(uids)} of {rows} rows, each once: {set(uids.values()) == {1}}, paid twice {paid.twice}")
    return right


def lose(rows: int) -> bool:
    """Kill a node that works."""
    folder = Path(tempfile.mkdtemp(prefix="rayjob-nodes-"))
    with three_nodes() as cluster, provider(latency_s=1.0) as (server, paid):
        job = make_job(folder, server.url, rows, 60, env={"RAY_ADDRESS": cluster.address})
        process = job.start("--set", "run.actors={min: 6, max: 9}")
        wait_until(lambda: paid.total() > rows // 2, process, 300)
        in_flight, began = server.in_flight, time.monotonic()
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        code = wait(process, 600)
        print(f"node killed with {in_flight} in flight; the run went on for {time.monotonic() - began:.0f} s")
        right = told(job, rows, paid, code)
    shutil.rmtree(folder, ignore_errors=True)
    return right


def share(rows: int) -> bool:
    """Two runs, one named governor."""
    folder = Path(tempfile.mkdtemp(prefix="rayjob-nodes-"))
    with three_nodes() as cluster, provider(latency_s=0.5) as (server, paid):
        jobs = [make_job(folder / name, server.url, rows, 20, env={"RAY_ADDRESS": cluster.address}) for name in "ab"]
        for number, job in enumerate(jobs):
            job.sets += ["run.governor=shared"]
            job.rewrite("first.j2", "Choose:", f"Choose {number}:")
            job.rewrite("second.j2", "Choose topics", f"Choose {number} topics")
        both = [job.start() for job in jobs]
        codes = [wait(process, 600) for process in both]
        right = sum(told(job, rows, paid, code) for job, code in zip(jobs, codes, strict=True)) == len(jobs)
        print(f"limit 20 in flight; the provider saw at most {server.peak} from both runs")
    shutil.rmtree(folder, ignore_errors=True)
    return right and server.peak <= 20


def grow(rows: int) -> bool:
    """One node of 8 slots, where 13 actors ask for one each: two of 4 come, and the run goes on on all three."""
    import ray

    folder = Path(tempfile.mkdtemp(prefix="rayjob-nodes-"))
    with growing_cluster(2 * CPUS, CPUS, 2) as address, provider(latency_s=1.0) as (server, paid):
        ray.init(address, log_to_driver=False, namespace="looking-on")
        job = make_job(folder, server.url, rows, 60, env={"RAY_ADDRESS": address, "RAY_AUTH_MODE": "disabled"})
        began, before = time.monotonic(), nodes_alive()
        process = job.start("--set", "run.actors={min: 13, max: 13}")
        grown = wait_until(lambda: nodes_alive() == 3, process, 300)
        after = f"{nodes_alive()} after {time.monotonic() - began:.0f} s, when {paid.total()} calls had been made"
        print(f"{before} node at first, {after}", flush=True)
        code = wait(process, 600)
        ray.shutdown()
        right = told(job, rows, paid, code)
    shutil.rmtree(folder, ignore_errors=True)
    return right and grown


def nodes_alive() -> int:
    """Nodes of the cluster that this process is connected to."""
    import ray

    return len([node for node in ray.nodes() if node["Alive"]])


def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("lose", "share", "grow"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--rows", type=int, default=300)
    args = parser.parse_args()
    chosen = [check for name, check in (("lose", lose), ("share", share), ("grow", grow)) if getattr(args, name)]
    raise SystemExit(sum(not check(args.rows) for check in chosen))


if __name__ == "__main__":
    main()
