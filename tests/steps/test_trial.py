"""The recorded trial, replayed through the label steps without HTTP: labels and statistics must come out the same."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import yaml

from rayjob.labels.asking import Question
from rayjob.labels.prompt import Template
from rayjob.labels.rules import check_rules, parse_rules
from rayjob.labels.stats import RunStats
from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy
from rayjob.spec.label import LabelStep
from rayjob.steps.label import Label
from rayjob.steps.row import Row, finish_row, start_row
from tests.shared_data import shared
from tests.steps.asking import Said, Script

CALLS = {
    "call1": ("intent", "language", "domain", "task", "difficulty"),
    "call2": ("concept", "agentic", "constraint", "context"),
}
RULES = """
- {id: a, when: {intent: learn, agentic: {more_than: 3}}, warn: many agentic}
- {id: b, when: {intent: build, task: {empty: false, none_of: [feature-implementation]}}, warn: no feature}
- {id: c, when: {difficulty: beginner, concept: {more_than: 3}}, warn: many concepts}
- {id: d, when: {difficulty: beginner, constraint: {empty: false}}, warn: constraint}
"""
PROMPT = "--- user\n{{ transcript }} {{ labels.intent | default('') }}"


def trial_taxonomy() -> Taxonomy:
    known = yaml.safe_load(shared("taxonomy_ids.yaml").read_text(encoding="utf-8"))["trial_v3_1"]
    return Taxonomy.of(
        [
            Dimension(name, name, entry["select"], tuple(Tag(tag, tag, tag) for tag in entry["tags"]))
            for name, entry in known.items()
        ]
    )


def label_steps(taxonomy: Taxonomy) -> list[Label]:
    template = Template(PROMPT, "trial.j2")
    return [
        Label(call, LabelStep(dimensions=dims, model="worker", prompt="x", tags="exact"), taxonomy, template)
        for call, dims in CALLS.items()
    ]


async def run_row(row: Row, steps: list[Any], script: Script, finish: Any) -> Row:
    row = start_row(row)
    for step in steps:
        row = await step(row, script)
    return finish(row)


def test_replayed_trial_gives_its_recorded_labels_and_statistics() -> None:
    taxonomy = trial_taxonomy()
    replay = [json.loads(line) for line in shared("gold108/replay_deepseek_v4.jsonl").open(encoding="utf-8")]
    answers = {entry["id"]: entry for entry in replay}
    labelled = {
        entry["id"]: entry for entry in json.loads(shared("gold108/labeled_deepseek_v4.json").read_text("utf-8"))
    }
    wanted = json.loads(shared("gold108/stats_deepseek_v4.json").read_text("utf-8"))

    def answer(question: Question) -> Said:
        sample = question.messages[-1]["content"].split()[0]
        recorded: dict[str, object] = answers[sample][question.step]
        return recorded

    rules, problems = parse_rules(RULES, taxonomy)
    assert problems == []
    finish = partial(finish_row, dims=taxonomy.dimensions.values(), check=partial(check_rules, rules))
    steps, script, stats = label_steps(taxonomy), Script(answer), RunStats()
    for sample in answers:
        row = asyncio.run(run_row({"uid": sample, "transcript": sample}, steps, script, finish))
        assert row["labels"] == {name: labelled[sample]["labels"][name] for name in taxonomy.dimensions}
        stats.add(row)
    got = stats.to_dict()
    same = [
        "total_samples", "success", "failed", "total_llm_calls", "avg_calls_per_sample", "arbitrated_count",
        "arbitrated_rate", "validation_issue_count", "consistency_warning_count", "unmapped_tags",
        "unmapped_unique_count", "confidence_stats", "tag_distributions", "success_rate",
    ]  # fmt: skip
    assert {key: got[key] for key in same} == {key: wanted[key] for key in same}
