"""A real S3 server process (moto's) for a session's tests: `from tests.s3_server import s3, s3_process` where used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
START_TIMEOUT_S = 60


def free_port() -> int:
    """A port that nobody listens on right now."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Sets variables of the process and puts back what was there."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def make_bucket(endpoint: str, name: str) -> None:
    """Makes a bucket; moto checks no signature."""
    _request(endpoint, "PUT", f"/{name}")


def remove_bucket(endpoint: str, name: str) -> None:
    """Removes an empty bucket."""
    _request(endpoint, "DELETE", f"/{name}")


def _request(endpoint: str, method: str, path: str) -> int:
    with closing(HTTPConnection(endpoint.removeprefix("http://"), timeout=10)) as connection:
        connection.request(
            method, path, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=testing/x/us-east-1/s3/x"}
        )
        return connection.getresponse().status


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)  # the only way to know that another process listens is to knock again
    raise RuntimeError(f"moto's server did not start on port {port}")


@pytest.fixture(scope="session")
def s3_process() -> Iterator[str]:
    """The endpoint of a running server; sets nothing in the environment."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def s3(s3_process: str) -> Iterator[str]:
    """The endpoint, with the variables set that make every S3 client of the process (and its children) use it.

    There is a bucket called `bucket`.
    """
    with environment({**SETTINGS, "AWS_ENDPOINT_URL": s3_process, "AWS_ENDPOINT_URL_S3": s3_process}):
        make_bucket(s3_process, "bucket")
        yield s3_process
