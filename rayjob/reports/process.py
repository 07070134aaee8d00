"""Which process works on a run, and whether it is gone: a process that was killed says no last word."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def this_process() -> dict[str, Any]:
    """What tells this process from every other one: where it runs, its number, when it began."""
    return {"where": _where(), "pid": os.getpid(), "began": _began(os.getpid())}


def is_gone(process: Mapping[str, Any]) -> bool:
    """Whether a process has ended. False where nobody can tell: it ran elsewhere, or is not known."""
    if not process or process.get("where") != _where():
        return False
    pid = int(process["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _began(pid) != process.get("began")  # the number was given again


def _where() -> str:
    """The machine since it was started and, in a container, the container: elsewhere the number is another process."""
    parts = [socket.gethostname()]
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        parts += [file.read().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _began(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None where there is no /proc, or it ended and nobody asked how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
