"""What `rayjob plan` says of a spread: bought rows for certain, the others under an assumption between hard bounds."""

from __future__ import annotations

from typing import Any

import pytest

from rayjob.spec.model import JobSpec, Step
from rayjob.spec.spread import AskStep, PropagateStep, RepresentStep
from rayjob.steps.estimate import StepEstimate
from rayjob.steps.estimate_spread import find_asked
from tests.cli.commands import call
from tests.shared_data import ROOT


def job(ask: dict[str, Any], **settings: Any) -> JobSpec:
    steps = (
        Step(kind="represent", name="represent", settings=RepresentStep(budget=settings.pop("budget", 0.05))),
        Step(kind="ask", name="ask", settings=AskStep.model_validate(ask)),
        Step(kind="propagate", name="propagate", settings=PropagateStep(**settings)),
    )
    empty = JobSpec.model_validate({"rayjob": 1, "name": "t", "input": "x", "output": "y"})
    return empty.model_copy(update={"steps": steps})


@pytest.mark.parametrize(
    ("ask", "settings", "expected"),
    [
        ({}, {}, (500, 250, 500, 5250, 10_000)),
        ({}, {"otherwise": "leave"}, (500, 250, 500, 500, 500)),
        ({"from": "truth", "fields": {"a": "b"}}, {}, (500, 250, 0, 4750, 9500)),
        ({"from": "sheet", "sheet": "s.csv"}, {"otherwise": "review"}, (500, 250, 0, 0, 0)),
        ({}, {"budget": 20_000}, (10_000, 3_000, 10_000, 10_000, 10_000)),
    ],
)
def test_rows_that_are_asked_about(ask: dict[str, Any], settings: dict[str, Any], expected: tuple[int, ...]) -> None:
    found = find_asked(job(ask, **settings), 10_000)
    assert found is not None
    assert (found.bought, found.audit, found.least, found.expected, found.most) == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"budget": 118}, ""),  # 59 of them audit
        (
            {"budget": 117},
            "accepted: 95 % precision at 5 % risk takes 59 audit rows or more, and there",
        ),
        ({"budget": 117, "precision": 0.9}, ""),
        ({"budget": 1}, "and there are 0; raise `budget` or `audit_share`, or lower `precision`"),
        (
            {"precision": 0.9995, "risk": 0.001, "otherwise": "leave"},
            "accepted: 99.95 % precision at 0.1 % risk takes 13,8",
        ),
    ],
)
def test_an_audit_too_small_is_warned_of(settings: dict[str, Any], said: str) -> None:
    found = find_asked(job({}, **settings), 10_000)
    assert found is not None
    lines = found.describe().splitlines()
    assert (said in lines[-1]) if said else (len(lines) == 1), lines


def test_calls_are_scaled_and_a_spec_that_spreads_nothing_is_left_alone() -> None:
    found = find_asked(job({}), 10_000)
    assert found is not None
    assert found.scale([StepEstimate("first", "worker", 10_000, 1, 1, 1)])[0].calls == pytest.approx(5250)
    assert find_asked(job({}), 0) is None
    assert find_asked(JobSpec.model_validate({"rayjob": 1, "name": "t", "input": "x", "output": "y"}), 9) is None


def test_plan_says_what_a_spread_asks_and_what_it_assumes() -> None:
    done = call("plan", str(ROOT / "specs" / "spread.yaml"))
    assert done.code == 0, done.err
    assert "represent  labels for 20 % of the rows, 50 % of them audit" in done.out
    assert "propagate  accepted at 95% precision, the rest: label" in done.out
    said = " ".join(done.out.split())
    assert "240 of 1,200 rows are asked of the model, 120 of them as audit; of the others 50% are assumed" in said
    assert "for 720 rows (at least 240, at most 1,200)" in said
    small = f"input.path={ROOT / 'examples'}"
    few = " ".join(call("plan", str(ROOT / "specs" / "spread.yaml"), "--set", small).out.split())
    assert "of the others 100% are assumed to be sent on: the calls below are for 50 rows (at least 10, at" in few
    assert "warning: no label will be accepted: 95 % precision at 5 % risk takes 59 audit rows or more" in few


def test_plan_counts_the_calls_of_an_embedding_model() -> None:
    spec = ROOT / "specs" / "spread.yaml"
    model = 'models.embedder={model: openai/small, api_base: "http://127.0.0.1:9/v1", price: {input_usd_per_mtok: 1}}'
    done = call("plan", str(spec), "--set", model, "--set", "steps.0.embed={text: query, model: embedder, batch: 10}")
    assert done.code == 0, done.err
    line = next(line for line in done.out.splitlines() if line.startswith("embed "))
    assert line.split()[1:3] == ["embedder", "120"]
