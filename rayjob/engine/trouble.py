"""What an error of a stage means: the outside's (the run stops and can go on) or ours (it is raised as it is)."""

from __future__ import annotations

from collections.abc import Iterator

from rayjob.store.errors import StoreError, translate

#: Errors of Ray's that say a machine or a process was lost, by name: `ray.exceptions` is not imported for them.
LOST = frozenset(
    {
        "NodeDiedError", "WorkerCrashedError", "ActorDiedError", "ActorUnavailableError", "ObjectLostError",
        "OwnerDiedError", "OutOfMemoryError", "LocalRayletDiedError", "RaySystemError", "RpcError",
        "ObjectReconstructionFailedError", "ObjectFetchTimedOutError", "NodeAffinityInfeasibleError",
    }
)  # fmt: skip
#: An actor that could not even be made died of our code.
OURS = "creation task"
LONGEST_REASON = 300


def reason_of(error: BaseException, path: str) -> str:
    """Why the run ends, for the person who can act; empty where the error is our bug. `path`: the output folder."""
    chain = list(causes(error)) or [error]
    for one in chain:
        if isinstance(one, StoreError):
            return f"storage: {one}"
    for one in chain:
        if isinstance(one, OSError) and not isinstance(one, ConnectionError):
            return f"storage: {translate(one, path)}"
    last = chain[-1]
    if type(last).__name__ in LOST and OURS not in str(last):
        return f"cluster: {' '.join(str(last).split())[:LONGEST_REASON]}"
    return ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from, as Ray (`cause`) or Python (`__cause__`) tell it; each once."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        # Ray's wrapper passes for an instance of what it wraps, and says it with a whole traceback: only the inner one.
        if getattr(found, "cause", None) is None:
            yield found
        found = getattr(found, "cause", None) or found.__cause__
