"""A small job against a scripted provider, run as users run it: `rayjob run` in a process of its own.

with provider() as server:
    job = make_job(folder, server.url, rows=40)
    done = job.run()
    done.code, job.uids(), server.answered
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.cli.commands import call
from tests.llm_server import Body, Provider, Script, serve

BIN = Path(sys.executable).parent
START = [str(BIN / "rayjob")]
MARK = re.compile(r"question (\d+) ")

INTENT = """\
dimension: intent
order: 1
select: single
description: What the user wants.
tags:
  - {id: learn, name: Learn, description: Wants to understand.}
  - {id: build, name: Build, description: Wants something made.}
  - {id: debug, name: Debug, description: Wants a fault repaired.}
"""
TOPIC = """\
dimension: topic
order: 2
select: multi
description: What it is about.
tags:
  - {id: web, name: Web, description: Browsers and servers.}
  - {id: data, name: Data, description: Tables and queries.}
  - {id: games, name: Games, description: Play.}
"""
CALL_1 = """\
--- system
Choose: {{ dimensions[0].description }}{% for tag in dimensions[0].tags %} {{ tag.description }}{% endfor %}
--- user
{{ transcript }}
"""
CALL_2 = "--- system\nChoose topics. Intent: {{ labels.intent }}.\n--- user\n{{ transcript }}\n"
SPEC = """\
rayjob: 1
name: small
input: input
taxonomy: taxonomy
models:
  worker:
    {{model: openai/scripted, api_base: "{url}", max_tokens: 200, structured: schema,
      limits: {{concurrency: {concurrency}}}}}
steps:
  - prepare: {{slice: none}}
  - label: {{name: first, dimensions: [intent], model: worker, prompt: first.j2}}
  - label: {{name: second, dimensions: [topic], model: worker, prompt: second.j2}}
run: {{stall_s: 60, grace_s: 5}}
output: out
"""


def answer_of(body: Body) -> str:
    """A right answer for the schema that is asked for; which one depends on the conversation alone."""
    prompt = "".join(message["content"] for message in body["messages"])
    mark = MARK.search(prompt)
    seed = int(hashlib.sha256((mark.group(1) if mark else prompt).encode()).hexdigest()[:8], 16)
    wanted = body["response_format"]["json_schema"]["schema"]["properties"]
    reply: dict[str, Any] = {"unmapped": []}
    if "intent" in wanted:
        reply["intent"] = ("learn", "build", "debug")[seed % 3]
    if "topic" in wanted:
        reply["topic"] = [("web", "data", "games")[seed % 3]]
    reply["confidence"] = {name: 0.9 for name in ("intent", "topic") if name in reply}
    return json.dumps(reply)


class Paid(Counter[str]):
    """How often each question was answered, by what was asked."""

    def __call__(self, body: Body) -> str:
        """Count, and answer."""
        self[hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()] += 1
        return answer_of(body)

    @property
    def twice(self) -> int:
        """Answers to questions that had been answered before."""
        return self.total() - len(self)


@contextmanager
def provider(**script: Any) -> Iterator[tuple[Provider, Paid]]:
    """A provider in a thread of this process, and its count of what was paid."""
    paid = Paid()
    with serve(Script(answer=paid, **script)) as server:
        server.keep_bodies = False
        yield server, paid


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str


@dataclass
class Job:
    """A spec in a folder of its own, and the commands that work on it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    sets: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def out(self) -> Path:
        """The output folder, where it is a local one."""
        return Path(self.output) if self.output else self.folder / "out"

    def start(self, *arguments: str, sets: Sequence[str] = (), log: str = "") -> subprocess.Popen[bytes]:
        """`rayjob run` in the background; what it prints goes to run.log."""
        command = [*START, "run", str(self.folder / "spec.yaml"), *arguments]
        if self.output:
            command += ["--output", self.output]
        for value in (*self.sets, *sets):
            command += ["--set", value]
        with (self.folder / (log or "run.log")).open("ab") as file:
            return subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **self.env}, start_new_session=True
            )

    def run(self, *arguments: str, sets: Sequence[str] = (), timeout_s: float = 200) -> Done:
        """`rayjob run` to its end."""
        log = self.folder / "run.log"
        at = log.stat().st_size if log.exists() else 0
        code = wait(self.start(*arguments, sets=sets), timeout_s)
        return Done(code, log.read_bytes()[at:].decode(errors="replace"))

    def call(self, *arguments: str, sets: Sequence[str] = ()) -> Done:
        """`rayjob run` in this process, on the cluster it is connected to; an error that is our bug is raised."""
        chosen = [*arguments, *(["--output", self.output] if self.output else [])]
        for value in (*self.sets, *sets):
            chosen += ["--set", value]
        done = call("run", str(self.folder / "spec.yaml"), *chosen)
        return Done(done.code, done.out + done.err)

    def uids(self) -> Counter[str]:
        """How often each uid stands in labels/ and failures/."""
        return Counter(self.column("labels", "uid") + self.column("failures", "uid"))

    def column(self, folder: str, name: str) -> list[Any]:
        """One column of labels/ or failures/."""
        files = sorted((self.out / folder).glob("*.parquet"))
        return [value for file in files for value in pq.read_table(file, columns=[name])[name].to_pylist()]

    def rows(self, folder: str) -> list[dict[str, Any]]:
        """All rows of labels/ or failures/."""
        files = sorted((self.out / folder).glob("*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def manifest(self) -> dict[str, Any]:
        """run.json."""
        found: dict[str, Any] = json.loads((self.out / "run.json").read_text(encoding="utf-8"))
        return found

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """The events of a kind; whole lines only."""
        file = self.out / "events.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [event for line in lines for event in _parsed(line) if kind in ("", event["event"])]

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change a file of the spec."""
        file = self.folder / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


def _parsed(line: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line)]
    except ValueError:
        return []


def wait(process: subprocess.Popen[bytes], timeout_s: float) -> int:
    """The exit code; past the timeout the whole process group is killed and the code is -9."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        kill_group(process)
        return process.wait(10)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of a process that `Job.start` began, and of all that share its group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def wait_until(true: Any, process: subprocess.Popen[bytes] | None = None, timeout_s: float = 120) -> bool:
    """Poll until `true()`; false when the process ended or the time is up before that."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if true():
            return True
        if process is not None and process.poll() is not None:
            return bool(true())
        time.sleep(0.05)
    return False


def conversation(number: int) -> dict[str, Any]:
    """A conversation unlike every other one."""
    return {
        "id": f"c{number}",
        "conversations": [
            {"from": "human", "value": f"This is question {number} of many: how do I sort a list?"},
            {"from": "gpt", "value": f"Call sorted(); that is answer {number}."},
        ],
    }


def make_job(
    folder: Path,
    url: str,
    rows: int,
    concurrency: int = 16,
    bad: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Job:
    """Write spec, taxonomy, prompts and input; `bad` lines are added to the input as they are."""
    files = {
        "spec.yaml": SPEC.format(url=url, concurrency=concurrency),
        "first.j2": CALL_1,
        "second.j2": CALL_2,
        "taxonomy/intent.yaml": INTENT,
        "taxonomy/topic.yaml": TOPIC,
        "input/rows.jsonl": "".join(
            f"{line}\n" for line in [*(json.dumps(conversation(n)) for n in range(rows)), *bad]
        ),
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return Job(folder, dict(env or {}))
