"""CPU and memory of a command and everything it starts, sampled from /proc while it runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLE_S = 0.5


@dataclass
class Usage:
    """What a process tree used: wall and CPU seconds, and the largest resident size of any one process and of all."""

    wall_s: float = 0.0
    code: int = 0
    cpu_by_pid: dict[int, float] = field(default_factory=dict)
    name_by_pid: dict[int, str] = field(default_factory=dict)
    peak_by_name: dict[str, int] = field(default_factory=dict)
    output: str = ""

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes together."""
        return sum(self.cpu_by_pid.values())

    def cpu_of(self, word: str) -> float:
        """CPU seconds of the processes whose name has this word in it."""
        return sum(cpu for pid, cpu in self.cpu_by_pid.items() if word in self.name_by_pid.get(pid, ""))


def run_measured(command: Sequence[str], log: Path, timeout_s: float = 3600) -> Usage:
    """Run a command to its end, sampling it and its descendants. Raises TimeoutError after killing it."""
    usage = Usage()
    began = time.monotonic()
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT) as process:
        while process.returncode is None:
            _sample(process.pid, usage)
            if time.monotonic() - began > timeout_s:
                process.kill()
                raise TimeoutError(f"{command[0]} took longer than {timeout_s:.0f} s; see {log}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(SAMPLE_S)
        usage.wall_s = time.monotonic() - began
        usage.code = process.returncode
    usage.output = log.read_text(errors="replace")
    return usage


def _sample(root: int, usage: Usage) -> None:
    for pid in _tree(root):
        try:
            cpu_s, resident, name = _read(pid)
        except (OSError, IndexError):
            continue  # it ended between listing and reading
        usage.cpu_by_pid[pid] = max(cpu_s, usage.cpu_by_pid.get(pid, 0.0))
        if name != "?":  # one that has ended and was not waited for yet keeps its name
            usage.name_by_pid[pid] = name
        usage.peak_by_name[name] = max(resident, usage.peak_by_name.get(name, 0))


def _tree(root: int) -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += parents.get(pid, [])


def _read(pid: int) -> tuple[float, int, str]:
    """CPU seconds, resident bytes (shared memory left out), and a name a person knows."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    sizes = [int(number) for number in Path(f"/proc/{pid}/statm").read_text().split()]
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    name = next((word for word in words if word.startswith("ray::")), Path(words[0]).name if words else "?")
    if name.startswith("python") and len(words) > 1:
        name = words[2] if words[1] == "-m" and len(words) > 2 else Path(words[1]).name
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND, (sizes[1] - sizes[2]) * PAGE_BYTES, name
