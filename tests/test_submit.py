"""A job sent with `ray job submit` to a head that asks for the token, as docs/cluster.md says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.s3_server import free_port
from tests.shared_data import ROOT

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 90


@dataclass(frozen=True)
class Head:
    """A head of its own: another folder and other ports than any cluster that runs here already."""

    address: str
    env: dict[str, str]


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    token = tmp_path / "token"
    token.write_text("a-token-for-this-test-only-0123456789", encoding="ascii")
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    env["PATH"] = f"{BIN}{os.pathsep}{env['PATH']}"
    port = free_port()
    options = {
        "port": free_port(),
        "dashboard-port": port,
        "ray-client-server-port": free_port(),
        "dashboard-agent-listen-port": free_port(),
        "metrics-export-port": free_port(),
        "min-worker-port": 0,
        "max-worker-port": 0,
        # Sockets lie below it, and their paths may have 107 characters.
        "temp-dir": f"/tmp/rayjob-submit-{os.getpid()}",
        "num-cpus": 2,
    }
    command = [str(BIN / "ray"), "start", "--head", "--block", "--disable-usage-stats"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/version", process)
        yield Head(f"http://127.0.0.1:{port}", env)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # a head that is asked to end takes half a minute
        process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until somebody answers, whatever the answer."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while status_of(url) == 0:
        assert process.poll() is None, "ray start ended"
        assert time.monotonic() < deadline, "ray start takes too long"
        time.sleep(0.2)


def status_of(url: str) -> int:
    """The HTTP status of a request without a token; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_submitted_job_labels_its_input(head: Head, tmp_path: Path) -> None:
    assert status_of(f"{head.address}/api/jobs/") == 401
    output = tmp_path / "out"
    submit = [str(BIN / "ray"), "job", "submit", "--address", head.address, "--working-dir", str(ROOT)]
    command = ["rayjob", "run", "specs/quickstart.yaml", "--limit", "3", "--output", str(output)]
    done = subprocess.run([*submit, "--", *command], env=head.env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    run = json.loads((output / "run.json").read_text(encoding="utf-8"))
    assert (run["status"], run["counts"]["done"]) == ("done", 3)
    assert "labelled" in done.stdout
