"""A run set up as the trial, on answers that break pools or lack confidence, against a plain account of the rules."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.labels.asking import Question
from rayjob.labels.prompt import Template
from rayjob.labels.stats import RunStats
from rayjob.spec.label import ArbitrateStep, LabelStep
from rayjob.steps.arbitrate import Arbitrate
from rayjob.steps.label import Label
from rayjob.steps.row import finish_row, start_row
from tests.labels.small import CAPABILITY, CHARACTER, SMALL
from tests.steps.asking import Said, Script

CALLS = {"call1": CHARACTER, "call2": CAPABILITY}
WORDS = ("learn", "build", "go", "python", "automation", "caching", "testing", "snippet", "Learn", "cuda", "golang")
Recorded = dict[str, Any]


def recorded(dims: tuple[str, ...]) -> st.SearchStrategy[Recorded]:
    word = st.sampled_from(WORDS)
    answers = {name: word | st.just("") if _is_single(name) else st.lists(word, max_size=3) | word for name in dims}
    scores = {name: st.sampled_from([0.2, 0.64, 0.65, 0.9]) for name in dims}
    return st.tuples(
        st.fixed_dictionaries({}, optional=answers).filter(bool),
        st.fixed_dictionaries({}, optional=scores),
        st.lists(word | st.fixed_dictionaries({"dimension": st.just("task"), "value": word}), max_size=2),
    ).map(lambda parts: {**parts[0], "confidence": parts[1], "unmapped": parts[2]})


def _is_single(name: str) -> bool:
    return SMALL.dimensions[name].select == "single"


def check_pools(said: Recorded, dims: tuple[str, ...]) -> tuple[Recorded, list[str], list[Any]]:
    labels: Recorded = {}
    issues, unmapped = [], list(said["unmapped"])
    for name in dims:
        pool = SMALL.dimensions[name].pool
        value = said.get(name, "" if _is_single(name) else [])
        if name not in said:
            issues.append(f"Missing: {name}")
        wrong = [v for v in ([value] if isinstance(value, str) else value) if v not in pool]
        wrong = [v for v in wrong if v or not _is_single(name)] if name in said else []
        issues += [f"{name}: '{v}' not in pool" for v in wrong]
        unmapped += [{"dimension": name, "value": v} for v in wrong]
        right = [v for v in ([value] if isinstance(value, str) else value) if v in pool]
        labels[name] = (right[0] if right else "") if _is_single(name) else right
    return labels, issues, unmapped


def account(first: dict[str, Recorded], second: dict[str, Recorded]) -> Recorded:
    """The trial's own way: pool check, then each call with a low dimension once more, issues of that unrecorded."""
    out: Recorded = {"labels": {}, "confidence": {}, "issues": [], "unmapped": [], "calls": 2}
    for call, dims in CALLS.items():
        labels, issues, unmapped = check_pools(first[call], dims)
        out["labels"] |= labels
        out["confidence"] |= first[call]["confidence"]
        out["issues"] += issues
        out["unmapped"] += unmapped
    low = [name for name, score in out["confidence"].items() if score < 0.65]
    out["arbitrated"] = bool(low)
    for call, dims in CALLS.items():
        again = [name for name in dims if name in low]
        out["calls"] += bool(again)
        labels = check_pools(second[call], dims)[0]
        for name in again:
            out["labels"][name] = labels[name]
            out["confidence"][name] = second[call]["confidence"].get(name, 0)
    return out


def run(first: dict[str, Recorded], second: dict[str, Recorded]) -> Recorded:
    def answer(question: Question) -> Said:
        call = next(call for call, dims in CALLS.items() if question.dimensions[0] in dims)
        said = second[call] if question.temperature == 0.3 else first[call]
        asked = {name: said[name] for name in question.dimensions if name in said}
        return {
            **(asked or {question.dimensions[0]: None}),
            "confidence": said["confidence"],
            "unmapped": said["unmapped"],
        }

    template = Template("{{ transcript }}", "t.j2")
    labels = [
        Label(call, LabelStep(dimensions=dims, model="worker", prompt="x", tags="exact"), SMALL, template)
        for call, dims in CALLS.items()
    ]
    spec = ArbitrateStep(temperature=0.3, accept="always", rebuild=False, record="first")

    async def walk() -> Recorded:
        row = start_row({"transcript": "t"})
        for step in (*labels, Arbitrate("arbitrate", spec, labels)):
            row = await step(row, Script(answer))
        return finish_row(row, SMALL.dimensions.values())

    return asyncio.run(walk())


both = st.fixed_dictionaries({call: recorded(dims) for call, dims in CALLS.items()})


@settings(max_examples=300, deadline=None)
@given(both, both)
def test_the_trials_rules_hold_for_any_recording(first: dict[str, Recorded], second: dict[str, Recorded]) -> None:
    row, wanted = run(first, second), account(first, second)
    assert row["labels"] == wanted["labels"]
    assert {name: score for name, score in row["confidence"].items() if score is not None} == wanted["confidence"]
    assert row["issues"] == wanted["issues"]
    assert (row["arbitrated"], len(row["calls"])) == (wanted["arbitrated"], wanted["calls"])
    stats = RunStats()
    stats.add(row)
    keys = [f"{e['dimension']}:{e['value']}" if isinstance(e, dict) else e for e in wanted["unmapped"]]
    assert stats.to_dict()["unmapped_tags"] == {key: keys.count(key) for key in keys}
