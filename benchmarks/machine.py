#!/usr/bin/env python3
"""What a benchmark ran on, and how its figures are told: medians, ratios, a table for people and JSON for machines.

Run alone it prints the facts of this machine. Versions come from package metadata: nothing heavy is imported.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("rayjob", "ray", "litellm", "pyarrow", "numpy", "scikit-learn", "torch", "sentence-transformers")


def facts() -> dict[str, object]:
    """CPU model and count (usable by this process), memory in GiB, operating system, and package versions."""
    return {
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": memory_gib(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
    }


def installed(package: str) -> str:
    """The installed version, empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cpu_model() -> str:
    """The processor's name as the kernel gives it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_gib() -> float:
    """Memory this process may use: the control group's limit where there is one, else the machine's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    return round(min(total, int(limit) if limit.isdigit() else total) / 2**30, 1)


@dataclass
class Bench:
    """Named measurements, several of each; told as medians, and as ratios to one of them.

    >>> bench = Bench("parse", unit="s")
    >>> for _ in range(3):
    ...     with bench.time("orjson"):
    ...         pass
    """

    title: str
    unit: str = "s"
    measured: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """One measurement of `name`, in the bench's unit."""
        self.measured.setdefault(name, []).append(value)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Adds the seconds its block took."""
        started = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - started)

    def median(self, name: str) -> float:
        """The median of what was measured for `name`."""
        return statistics.median(self.measured[name])

    def ratio(self, name: str, base: str) -> float:
        """Median of `name` over median of `base`."""
        return self.median(name) / self.median(base)

    def to_dict(self) -> dict[str, object]:
        """Everything measured, with the machine's facts."""
        results = {
            name: {"median": self.median(name), "min": min(values), "max": max(values), "n": len(values)}
            for name, values in self.measured.items()
        }
        return {"bench": self.title, "unit": self.unit, "results": results, "notes": self.notes, "machine": facts()}

    def table(self, base: str = "") -> str:
        """A Markdown table: median, range, count, and with `base` the ratio to it."""
        heads = ["", f"median {self.unit}", "min–max", "n", *([f"× {base}"] if base else [])]
        rows = [heads, ["---"] * len(heads)]
        for name, values in self.measured.items():
            span = f"{min(values):.3g}–{max(values):.3g}"
            ratio = [f"{self.ratio(name, base):.2f}"] if base else []
            rows.append([name, f"{self.median(name):.3g}", span, str(len(values)), *ratio])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def report(self, json_path: str | Path | None = None, base: str = "") -> None:
        """Prints the table and the machine; writes JSON where a path is given."""
        print(f"## {self.title}\n\n{self.table(base)}\n")
        for name, note in self.notes.items():
            print(f"{name}: {note}")
        print(line(facts()))
        if json_path:
            Path(json_path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def line(found: Mapping[str, object]) -> str:
    """The facts in one line, for the foot of a table."""
    versions = found["versions"]
    assert isinstance(versions, dict)
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"{found['cpus']} CPUs ({found['cpu']}), {found['memory_gib']} GiB, load {found['load']}, "
        f"Python {found['python']}; {packages}"
    )


if __name__ == "__main__":
    print(json.dumps(facts(), indent=2))
