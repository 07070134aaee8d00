"""The recorded trial through the spec's own pipeline, prompts rendered as sent: every layout gives its statistics."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine.sampling import sample_input
from rayjob.labels.asking import Question
from rayjob.labels.stats import RunStats
from rayjob.steps.build import build_pipeline
from tests.shared_data import ROOT, shared
from tests.steps.asking import Said, Script

SAME = (
    "total_samples", "success", "failed", "total_llm_calls", "avg_calls_per_sample", "arbitrated_count",
    "arbitrated_rate", "validation_issue_count", "consistency_warning_count", "unmapped_tags",
    "unmapped_unique_count", "confidence_stats", "tag_distributions", "success_rate",
)  # fmt: skip


def recorded_answer(record: dict[str, Any], question: Question) -> dict[str, Any]:
    """What the trial's provider said: to a first question, or (hotter) to one asked again."""
    call = "call1" if set(question.dimensions) <= set(record["call1"]) else "call2"
    again = record["arbitration"].get(call) if question.temperature else None
    said = again or record[call]
    wanted = {name: said[name] for name in question.dimensions if name in said}
    scores = {name: said["confidence"][name] for name in wanted if name in said["confidence"]}
    return {**wanted, "confidence": scores, "unmapped": said.get("unmapped", [])}


@pytest.mark.parametrize("layout", ["per_step", "shared_prefix"])
def test_the_trial_has_its_recorded_statistics_in_every_layout(layout: str) -> None:
    samples = shared("gold108/raw_samples.json")
    replay = [json.loads(line) for line in shared("gold108/replay_deepseek_v4.jsonl").open(encoding="utf-8")]
    records = {entry["id"]: entry for entry in replay}
    changes = [f"layout={layout}", f"input={samples}"]
    resolved = open_spec(str(ROOT / "specs" / "trial-v4.yaml"), changes).resolved
    pipeline = build_pipeline(resolved, ["character", "capability", "arbitrate"])
    stats = RunStats()
    for row in sample_input(resolved.job).rows:
        sent: list[Question] = []

        def answer(question: Question, row: dict[str, Any] = row, sent: list[Question] = sent) -> Said:
            assert row["transcript"].strip() in question.messages[-1]["content"]
            sent.append(question)
            return recorded_answer(records[row["id"]], question)

        stats.add(asyncio.run(pipeline.run(dict(row), Script(answer), lambda step: None)))
        if layout == "shared_prefix":
            assert all(list(question.messages[:-1]) == list(sent[0].messages[:-1]) for question in sent)
            assert {question.static for question in sent} == {len(sent[0].messages) - 1}
    got = stats.to_dict()
    wanted = json.loads(shared("gold108/stats_deepseek_v4.json").read_text("utf-8"))
    assert {key: got[key] for key in SAME} == {key: wanted[key] for key in SAME}
