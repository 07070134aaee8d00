"""The ledger as a run's actors open it: the spec's pace, and one index for all of them where it is large."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine import paid
from rayjob.engine.paid import open_ledger, share_index
from rayjob.llm.ledger import Ledger
from rayjob.spec.model import JobSpec
from rayjob.store.ledgerfiles import LedgerFiles
from tests.llm.test_ledger import key_of, record
from tests.shared_data import ROOT


def fill(path: str) -> None:
    async def main() -> None:
        ledger = Ledger.open(LedgerFiles(), path)
        for number in range(20_000):
            ledger.put(key_of(number), record(number))
        await ledger.close()

    asyncio.run(main())


def test_a_small_index_is_read_by_each_actor(tmp_path: Path) -> None:
    assert share_index(None, "") is None
    assert share_index(None, str(tmp_path / "none")) is None


def look(job: JobSpec, path: str, shared: list[object]) -> tuple[int, bool, bool]:
    """In a worker: answers known, whether one is found, whether the index was copied."""
    import ray

    index = ray.get(shared[0])
    ledger = open_ledger(job, path, shared[0])
    found = asyncio.run(ledger.get(key_of(7))) == record(7)
    return len(ledger), found, bool(index.hi.flags.owndata or index.hi.flags.writeable)


@pytest.mark.ray
def test_a_large_index_is_loaded_once_and_copied_by_nobody(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(paid, "SHARED_FROM_BYTES", 1 << 20)
    path = str(tmp_path / "ledger")
    job = open_spec(str(ROOT / "specs" / "quickstart.yaml")).resolved.job
    fill(path)
    shared = share_index(ray, path)
    assert shared is not None
    assert ray.get(ray.remote(num_cpus=0)(look).remote(job, path, [shared])) == (20_000, True, False)
