"""A recorded trial, replayed over HTTP through the whole of rayjob, gives the recorded statistics and labels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.commands import call
from tests.engine.rig import wait_until
from tests.s3_server import free_port
from tests.shared_data import ROOT, shared
from tests.test_submit import status_of
from tools.check_trial import differences

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]


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


def test_the_recorded_trial_comes_out_again(cluster: str, tmp_path: Path) -> None:
    samples, answers = shared("gold108/raw_samples.json"), shared("gold108/replay_deepseek_v4.jsonl")
    stats, labels = shared("gold108/stats_deepseek_v4.json"), shared("gold108/labeled_deepseek_v4.json")
    output = tmp_path / "out"
    with replaying(samples, answers) as url:
        done = call(
            "run", str(ROOT / "specs" / "trial-v4.yaml"), "--output", str(output),
            "--set", f"input.path={samples}", "--set", f"models.worker.api_base={url}",
        )  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert differences(output, stats, labels) == []
