"""The recorded trial in batch mode, through the client and a provider's files and batches over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine.sampling import sample_input
from rayjob.labels.asking import Question
from rayjob.labels.stats import RunStats
from rayjob.llm.client import Client
from rayjob.llm.gate import Gate, direct_exchange
from rayjob.llm.ledger import Ledger
from rayjob.llm.limits import Governor, limits_of
from rayjob.steps.build import build_pipeline
from tests.llm.rig import LocalFiles
from tests.llm_server import Fault, Script, serve, status
from tests.shared_data import ROOT, shared
from tests.steps.test_trial_layouts import SAME, recorded_answer

# LiteLLM loses a coroutine of its own in `afile_content` (1.106.2); the answer comes all the same.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine:RuntimeWarning"
)
BATCH = "{requests: 200, wait_s: 0.3, poll_s: 0.05}"


def read_question(body: dict[str, Any]) -> Question:
    """As much of the question as its answer depends on, from what was sent."""
    names = tuple(body["response_format"]["json_schema"]["schema"]["properties"])
    dimensions = tuple(name for name in names if name not in ("confidence", "unmapped"))
    again = body.get("temperature", 0) >= 0.29
    return Question("", "", body["messages"], temperature=0.3 if again else None, dimensions=dimensions)


def test_the_trial_in_batches_has_its_recorded_statistics(tmp_path: Path) -> None:
    samples = shared("gold108/raw_samples.json")
    replay = [json.loads(line) for line in shared("gold108/replay_deepseek_v4.jsonl").open(encoding="utf-8")]
    records = {entry["id"]: entry for entry in replay}
    needles: dict[str, str] = {}

    def answer(body: dict[str, Any]) -> str:
        said = body["messages"][-1]["content"]
        record = next(records[name] for transcript, name in needles.items() if transcript in said)
        return json.dumps(recorded_answer(record, read_question(body)))

    faults = [status(500), Fault("drop"), status(429)]
    with serve(Script(answer=answer, faults=faults)) as provider:
        changes = [f"input={samples}", "models.worker.mode=batch", f"models.worker.batch={BATCH}"]
        changes.append(f"models.worker.api_base={provider.url}")
        resolved = open_spec(str(ROOT / "specs" / "trial-v4.yaml"), changes).resolved
        rows = [dict(row) for row in sample_input(resolved.job).rows]
        needles.update(sorted(((row["transcript"], row["id"]) for row in rows), key=lambda pair: -len(pair[0])))
        pipeline = build_pipeline(resolved, ["character", "capability", "arbitrate"])

        async def run() -> list[dict[str, Any]]:
            gate = Gate("test", direct_exchange(Governor(limits_of(resolved.job.models))))
            client = Client(resolved.job.models, gate, Ledger.open(LocalFiles(), str(tmp_path)))
            try:
                return list(await asyncio.gather(*(pipeline.run(row, client, lambda step: None) for row in rows)))
            finally:
                await client.close()

        done = asyncio.run(run())
    stats = RunStats()
    for row in done:
        stats.add(row)
    got, wanted = stats.to_dict(), json.loads(shared("gold108/stats_deepseek_v4.json").read_text("utf-8"))
    assert {key: got[key] for key in SAME} == {key: wanted[key] for key in SAME}
    assert len(provider.batches) <= 12
