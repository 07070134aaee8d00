"""One local Ray cluster for all tests that need one; commands run in this process, or in others that connect to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a running cluster that this process is connected to, as `rayjob run` would be."""
    from rayjob.engine.session import connect

    assert "RAY_ADDRESS" not in os.environ, "these tests start a cluster of their own"
    os.environ["RAYJOB_DEBUG"] = "1"  # a command must not take this process's stderr away
    ray = connect()
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
    del os.environ["RAYJOB_DEBUG"]
