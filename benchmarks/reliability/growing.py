"""A cluster of one node that becomes up to three, by Ray's own autoscaler and its provider of pretended nodes.

`ray.cluster_utils.AutoscalingCluster` is not used: it begins with `ray stop --force`, which ends every cluster of the
machine, and the file that it reads is missing from Ray's wheel.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.reliability.processes import processes
from tests.engine.rig import wait_until
from tests.s3_server import free_port

RAY = str(Path(sys.executable).parent / "ray")
LISTS = (
    "initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands",
    "head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter",
)  # fmt: skip


def config(address: str, head_cpus: int, cpus: int, most_workers: int) -> dict[str, object]:
    """What the autoscaler is told: a head, and workers of `cpus` slots each."""
    provider = {
        "type": "fake_multinode", "use_node_id_as_ip": True, "disable_node_updaters": True,
        "disable_launch_config_check": True, "gcs_address": address,
    }  # fmt: skip
    types = {
        "ray.head.default": {"resources": {"CPU": head_cpus}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": {"CPU": cpus}, "node_config": {}, "min_workers": 0, "max_workers": most_workers},
    }
    empty: dict[str, object] = {name: [] for name in LISTS}
    return empty | {
        "cluster_name": "growing", "max_workers": most_workers, "provider": provider, "available_node_types": types,
        "head_node_type": "ray.head.default", "auth": {}, "upscaling_speed": 1.0, "idle_timeout_minutes": 5,
        "docker": {}, "file_mounts": {}, "file_mounts_sync_continuously": False,
    }  # fmt: skip


@contextmanager
def growing_cluster(head_cpus: int, cpus: int, most_workers: int) -> Iterator[str]:
    """The address of the head, whose ports and folders are its own."""
    from ray.util import get_node_ip_address

    place = Path(tempfile.mkdtemp(prefix="rjgrow"))
    address = f"{get_node_ip_address()}:{free_port()}"
    (place / "autoscaler.json").write_text(json.dumps(config(address, head_cpus, cpus, most_workers)), encoding="utf-8")
    options = {
        "port": address.rpartition(":")[2], "temp-dir": place, "num-cpus": head_cpus, "include-dashboard": "false",
        "autoscaling-config": place / "autoscaler.json", "ray-client-server-port": free_port(),
        "dashboard-agent-listen-port": free_port(), "metrics-export-port": free_port(), "min-worker-port": 0,
        "max-worker-port": 0, "object-store-memory": 300 << 20,
    }  # fmt: skip
    command = [RAY, "start", "--head", "--block", "--disable-usage-stats"]
    command += [f"--{name}={value}" for name, value in options.items()]
    env = {**os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_AUTH_MODE": "disabled"}
    with (place / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        started = wait_until(lambda: b"Ray runtime started" in (place / "head.log").read_bytes(), head, 90)
        assert started, (place / "head.log").read_text()
        yield address
    finally:
        for one in processes():  # the nodes that the autoscaler made are nobody's children; their folder names them
            if str(place) in one.line and one.pid != os.getpid():
                os.kill(one.pid, signal.SIGKILL)
        head.wait(30)
        shutil.rmtree(place, ignore_errors=True)
