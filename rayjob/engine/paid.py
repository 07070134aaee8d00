"""The run's ledger in its actors: opened as the spec asks for it; a large index is loaded once for all of a machine."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rayjob.llm.ledger import Ledger
from rayjob.llm.ledger_index import Index, load_index
from rayjob.spec.model import JobSpec
from rayjob.spec.models import LedgerSpec
from rayjob.store.ledgerfiles import LedgerFiles

#: Some hundred thousand answers: fewer are read by every actor sooner than a task of their own would have begun.
SHARED_FROM_BYTES = 64 << 20


def share_index(ray: Any, path: str) -> Any:
    """A reference to the index in Ray's object store, which a task fills meanwhile; None where it is too small."""
    size = 0
    if path:
        with suppress(OSError):  # whoever opens the ledger tells what is wrong with it
            size = sum(LedgerFiles().list_sizes(path).values())
    return ray.remote(num_cpus=0)(read_index).remote(path) if size >= SHARED_FROM_BYTES else None


def read_index(path: str) -> Index:
    """The index of everything under a ledger's path."""
    return load_index(LedgerFiles(), path.rstrip("/"))


def open_ledger(job: JobSpec, path: str, shared: Any) -> Ledger:
    """The ledger under a path. `shared`: what `share_index` gave; its arrays are read where they lie, uncopied."""
    flush_s = (job.ledger or LedgerSpec(path=path)).flush_s
    index = None
    if shared is not None:
        import ray

        index = ray.get(shared)
    return Ledger.open(LedgerFiles(), path, index, flush_s)
