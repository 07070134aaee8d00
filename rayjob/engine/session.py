"""Connects to Ray: a cluster that is there, or a local one."""

from __future__ import annotations

import logging
import os
from typing import Any

LOCAL_OBJECT_STORE_BYTES = 1 << 30


class ClusterError(Exception):
    """Ray could not be started here, or not be reached at its address."""

    def __init__(self, address: str | None, found: str) -> None:
        super().__init__(address, found)
        self.address, self.found = address, found

    def __str__(self) -> str:
        if self.address:
            return f"no Ray cluster answers at {self.address} (RAY_ADDRESS): {self.found}"
        return f"Ray does not start on this machine: {self.found}; where it is only busy, run the same command again"


def is_connected() -> bool:
    """Whether this process already has a cluster, which is then somebody else's to leave."""
    import ray

    return bool(ray.is_initialized())


def connect(address: str | None = None) -> Any:
    """Initialise Ray at `address` or RAY_ADDRESS, else a local cluster of this machine's cores. Returns ray."""
    import ray

    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS") or None
    options: dict[str, Any] = {} if address else _local_options()
    try:  # without a runtime_env: it would cost every worker of a local cluster most of a second, and none is needed
        ray.init(
            address=address or "local", logging_level=logging.ERROR, log_to_driver=False, namespace="rayjob", **options
        )
    except Exception as error:  # Ray raises all sorts here, a bare Exception among them
        raise ClusterError(address, " ".join(str(error).split())[:300]) from error
    quiet_ray()
    if not address:
        _warm_up(ray)
    return ray


def _warm_up(ray: Any) -> None:
    """An idle worker imports what reading and writing need, while the driver goes on. Nobody waits for it.

    One: a second would take its time from the LLM actor, which needs a process of its own (Ray makes no actor of a
    worker that has run a task).
    """
    ray.remote(num_cpus=0, max_retries=0)(_load).remote()


def _load() -> None:
    import rayjob.engine.sink
    import rayjob.engine.source  # noqa: F401


def _local_options() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return {
        # Slots, not cores: reading, the checkpoint's filter, calling and writing each hold some at the same time, and a
        # resume on two slots starved (the filter held both). All of them mostly wait.
        "num_cpus": cores + 3,
        "include_dashboard": os.environ.get("RAYJOB_DASHBOARD") == "1",
        "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
    }


def quiet_ray() -> None:
    """Our own display shows the progress; Ray's bars and its chatter about them stay off."""
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.enable_operator_progress_bars = False
    context.print_on_execution_start = False
    context.use_ray_tqdm = False
    context.use_datasource_v2 = False  # its first read_parquet took 6-9 s, the older reader 0.3 s
    for name in ("ray.data", "ray.data._internal", "ray.data.dataset"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if os.environ.get("RAYJOB_DEBUG") != "1":
        for handler in logging.getLogger("ray.data").handlers:
            if handler.name == "console":  # tracebacks of errors that we say in a sentence; its log file keeps them
                handler.setLevel(logging.CRITICAL)


def count_cpus() -> int:
    """CPUs of the cluster, nodes that may still come not counted."""
    import ray

    return int(ray.cluster_resources().get("CPU", 1))
