"""A recorded trial, replayed over HTTP through the whole of rayjob, gives the recorded statistics and labels."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine.sampling import sample_input
from rayjob.labels.asking import Question
from tests.cli.commands import call
from tests.engine.rig import wait_until
from tests.llm_server import Fault, Script, serve, status
from tests.s3_server import free_port
from tests.shared_data import ROOT, shared
from tests.steps.test_trial_layouts import recorded_answer
from tests.test_submit import status_of
from tools.check_trial import differences

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]
TRIAL = str(ROOT / "specs" / "trial-v4.yaml")
BATCH = "{requests: 200, wait_s: 0.3, poll_s: 0.05}"


@contextmanager
def replaying(samples: Path, answers: Path) -> Iterator[str]:
    """The address of a server that answers with what was recorded."""
    program, port = shared("../tools/llm_server.py"), free_port()
    command = [sys.executable, str(program), "--port", str(port), "--samples", str(samples), "--answers", str(answers)]
    process = subprocess.Popen(command)
    try:
        assert wait_until(lambda: status_of(f"http://127.0.0.1:{port}/v1/models") == 200, process, 60)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize("layout", ["per_step", "shared_prefix"])
def test_the_recorded_trial_comes_out_again(cluster: str, tmp_path: Path, layout: str) -> None:
    samples, answers = shared("gold108/raw_samples.json"), shared("gold108/replay_deepseek_v4.jsonl")
    stats, labels = shared("gold108/stats_deepseek_v4.json"), shared("gold108/labeled_deepseek_v4.json")
    output = tmp_path / "out"
    with replaying(samples, answers) as url:
        done = call(
            "run", TRIAL, "--output", str(output),
            "--set", f"input.path={samples}", "--set", f"models.worker.api_base={url}", "--set", f"layout={layout}",
        )  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert differences(output, stats, labels) == []


def read_question(body: dict[str, Any]) -> Question:
    """As much of the question as its answer depends on, from what was sent."""
    names = tuple(body["response_format"]["json_schema"]["schema"]["properties"])
    dimensions = tuple(name for name in names if name not in ("confidence", "unmapped"))
    again = body.get("temperature", 0) >= 0.29
    return Question("", "", body["messages"], temperature=0.3 if again else None, dimensions=dimensions)


def test_it_comes_out_again_in_batches(cluster: str, tmp_path: Path) -> None:
    samples = shared("gold108/raw_samples.json")
    stats, labels = shared("gold108/stats_deepseek_v4.json"), shared("gold108/labeled_deepseek_v4.json")
    replay = [json.loads(line) for line in shared("gold108/replay_deepseek_v4.jsonl").open(encoding="utf-8")]
    records = {entry["id"]: entry for entry in replay}
    rows = sample_input(open_spec(TRIAL, [f"input={samples}"]).resolved.job).rows
    needles = sorted(((row["transcript"], row["id"]) for row in rows), key=lambda pair: -len(pair[0]))

    def answer(body: dict[str, Any]) -> str:
        said = body["messages"][-1]["content"]
        record = next(records[name] for transcript, name in needles if transcript in said)
        return json.dumps(recorded_answer(record, read_question(body)))

    output = tmp_path / "out"
    with serve(Script(answer=answer, faults=[status(500), Fault("drop"), status(429)])) as provider:
        done = call(
            "run", TRIAL, "--output", str(output), "--set", f"input.path={samples}",
            "--set", f"models.worker.api_base={provider.url}", "--set", "models.worker.mode=batch",
            "--set", f"models.worker.batch={BATCH}",
        )  # fmt: skip
        assert done.code == 0, done.out + done.err
        assert 1 < len(provider.batches) <= 12
    assert differences(output, stats, labels) == []
