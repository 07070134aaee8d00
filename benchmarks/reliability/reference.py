"""A scripted server in a process of its own as the provider of a benchmark; what was paid is what it counted itself."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.rig import Job, conversation, wait_until
from tests.s3_server import free_port


@dataclass(frozen=True)
class Reference:
    """The counts of a server that answers GET /stats with in_flight, answered, distinct_answered, answered_twice."""

    root: str

    @property
    def url(self) -> str:
        """The base of its API."""
        return f"{self.root}/v1"

    def stats(self) -> dict[str, Any]:
        """What it counted so far; empty while it does not answer yet."""
        try:
            with urllib.request.urlopen(f"{self.root}/stats", timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        return found

    @property
    def in_flight(self) -> int:
        """Requests that it works on."""
        return int(self.stats()["in_flight"])

    @property
    def twice(self) -> int:
        """Answers to questions that had been answered before."""
        return int(self.stats()["answered_twice"])

    def total(self) -> int:
        """Answers given."""
        return int(self.stats()["answered"])

    def __len__(self) -> int:
        return int(self.stats()["distinct_answered"])


@contextmanager
def start_reference(script: Path, folder: Path, rows: int, latency_s: float) -> Iterator[Reference]:
    """The server at work; it knows the rows of `tests.engine.rig.make_job` by their first turns."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, answers = folder / "samples.json", folder / "answers.jsonl"
    samples.write_text(json.dumps([conversation(number) for number in range(rows)]), encoding="utf-8")
    answers.write_text(json.dumps({"id": "none"}) + "\n", encoding="utf-8")
    port = free_port()
    command = [sys.executable, str(script), "--port", str(port), "--samples", str(samples), "--answers", str(answers)]
    process = subprocess.Popen([*command, "--latency", str(latency_s), "--sigma", "0.3"])
    try:
        found = Reference(f"http://127.0.0.1:{port}")
        assert wait_until(found.stats, process, 30), "the server did not start"
        yield found
    finally:
        process.terminate()
        process.wait(10)


def speak_its_language(job: Job) -> None:
    """Ask for dimensions that the server has answers for."""
    job.rewrite("taxonomy/topic.yaml", "dimension: topic", "dimension: domain")
    job.rewrite("spec.yaml", "dimensions: [topic]", "dimensions: [domain]")
