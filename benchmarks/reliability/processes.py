"""Processes by their parents, from /proc: so that only those that a benchmark started are ever killed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process and its command line."""

    pid: int
    parent: int
    line: str


def processes() -> list[Process]:
    """All processes that this user can see."""
    found = (_read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [one for one in found if one is not None]


def _read(pid: int) -> Process | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None  # it ended meanwhile
    return Process(pid, int(stat.rpartition(")")[2].split()[1]), line)


def descendants(pid: int) -> list[Process]:
    """Children, their children and so on."""
    everyone = processes()
    family, found = {pid}, []
    while fresh := [one for one in everyone if one.parent in family and one.pid not in family]:
        family.update(one.pid for one in fresh)
        found += fresh
    return found
