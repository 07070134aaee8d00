"""Which errors of a stage stop a run for later, and which are our bugs."""

from __future__ import annotations

import errno

import pytest
from ray.exceptions import NodeDiedError, RayTaskError, WorkerCrashedError

from rayjob.engine.session import ClusterError
from rayjob.engine.trouble import reason_of
from rayjob.store.errors import StoreError


def in_task(error: Exception) -> Exception:
    """As Ray hands on what a task raised."""
    wrapped: Exception = RayTaskError("write", "Traceback (most recent call last): ...", error).as_instanceof_cause()
    return wrapped


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (in_task(StoreError("full", "/out/labels/a.parquet", "No space left")), "storage: /out/labels/a.parquet: No"),
        (in_task(FULL), "storage: /out: No space left on device; make room"),
        (FULL, "storage: /out: No space left on device; make room"),
        (NodeDiedError("its node died"), "cluster: its node died"),
        (WorkerCrashedError(), "cluster: The worker died unexpectedly"),
        (in_task(KeyError("uid")), ""),
        (ValueError("ours"), ""),
    ],
)
def test_what_an_error_means_for_the_run(error: Exception, said: str) -> None:
    reason = reason_of(error, "/out")
    assert reason.startswith(said)
    assert bool(reason) == bool(said)
    assert "Traceback" not in reason


def test_a_wrapped_cause_is_found_behind_another_error() -> None:
    outer = RuntimeError("the stage failed")
    outer.__cause__ = in_task(FULL)
    assert reason_of(outer, "/out").startswith("storage:")


def test_a_cluster_that_is_not_there_is_told_in_a_sentence() -> None:
    assert "RAY_ADDRESS" in str(ClusterError("10.0.0.1:6379", "timed out"))
    assert "run the same command again" in str(ClusterError(None, "timed out during startup"))
