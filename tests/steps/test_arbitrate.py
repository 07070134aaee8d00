"""Arbitration: who is asked again, what is taken, what is rebuilt, and what stays on record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rayjob.labels.asking import CallFailedError, Question
from rayjob.labels.prompt import Template
from rayjob.labels.rules import check_rules, parse_rules
from rayjob.spec.label import ArbitrateStep, LabelStep, MajorityOf, When
from rayjob.steps.arbitrate import Arbitrate
from rayjob.steps.label import Label
from rayjob.steps.row import Row, finish_row, start_row
from tests.labels.small import CAPABILITY, CHARACTER, SMALL
from tests.steps.asking import Said, Script, answering

RULES, _ = parse_rules("- {when: {intent: learn}, warn: learns}", SMALL)
SURE = answering(concept=["caching"], context="snippet")


def label_steps(second: str = "{{ labels.intent }} {{ transcript }}", **settings: Any) -> list[Label]:
    return [
        Label(
            "character",
            LabelStep(dimensions=CHARACTER, model="worker", prompt="x", **settings),
            SMALL,
            Template("{{ transcript }}", "a.j2"),
        ),
        Label(
            "capability",
            LabelStep(dimensions=CAPABILITY, model="worker", prompt="x", **settings),
            SMALL,
            Template(second, "b.j2"),
        ),
    ]


def go(script: Script, spec: ArbitrateStep, steps: list[Label] | None = None, evaluate: str = "final") -> Row:
    steps = steps or label_steps()

    async def walk() -> Row:
        row = start_row({"uid": "u", "transcript": "t"})
        for step in steps:
            row = await step(row, script)
        row = await Arbitrate("arbitrate", spec, steps)(row, script)
        return finish_row(row, SMALL.dimensions.values(), lambda labels: check_rules(RULES, labels), evaluate)

    return asyncio.run(walk())


def doubtful(**confidence: float) -> dict[str, object]:
    scores = {"intent": 0.9, "language": 0.9, "domain": 0.9, **confidence}
    return answering(intent="learn", language=["go"], domain=["cuda"], confidence=scores)


def test_a_second_answer_that_leaves_a_dimension_out_takes_nothing_away() -> None:
    again = answering(language=["python"])
    row = go(Script([doubtful(intent=0.3, language=0.3), SURE, again]), ArbitrateStep(accept="always"))
    assert (row["labels"]["intent"], row["confidence"]["intent"]) == ("learn", 0.3)
    assert row["labels"]["language"] == ["python"]
    assert "Missing: intent" in row["issues"]


def test_confident_rows_cost_nothing_more() -> None:
    row = go(Script([doubtful(), SURE]), ArbitrateStep())
    assert (row["arbitrated"], len(row["calls"])) == (False, 2)


def test_only_doubtful_dimensions_are_asked_again_with_the_judge() -> None:
    script = Script([doubtful(intent=0.3, domain=0.5), SURE, answering(intent="learn", domain=["automation"])])
    row = go(script, ArbitrateStep(model="judge", temperature=0.3))
    again = script.asked[2]
    assert (again.step, again.model, again.temperature) == ("arbitrate", "judge", 0.3)
    assert again.dimensions == ("intent", "domain")
    assert again.messages[-1]["content"] == "t\n\nAnswer only these dimensions this time: intent, domain."
    assert "language" not in str(again.schema)
    assert row["labels"]["domain"] == ["automation"]
    assert row["labels"]["language"] == ["go"]
    assert (row["arbitrated"], len(row["calls"])) == (True, 3)


@pytest.mark.parametrize(
    ("accept", "second", "label", "confidence"),
    [
        ("if_higher", {"intent": 0.8}, "debug", 0.8),
        ("if_higher", {"intent": 0.2}, "learn", 0.3),
        ("if_higher", {}, "learn", 0.3),
        ("always", {"intent": 0.2}, "debug", 0.2),
        ("always", {}, "debug", 0.0),
    ],
)
def test_what_is_accepted(accept: Any, second: dict[str, float], label: str, confidence: float) -> None:
    script = Script([doubtful(intent=0.3), SURE, answering(intent="debug", confidence=second)])
    row = go(script, ArbitrateStep(accept=accept, rebuild=False))
    assert (row["labels"]["intent"], row["confidence"]["intent"]) == (label, confidence)


def test_a_majority_counts_the_first_answer_and_a_tie_keeps_it() -> None:
    def majority(*votes: str) -> Row:
        again: list[Said] = [answering(intent=vote) for vote in votes]
        script = Script([doubtful(intent=0.3), SURE, *again])
        return go(script, ArbitrateStep(accept=MajorityOf(majority_of=3), rebuild=False, temperature=0.8))

    won = majority("debug", "debug")
    assert won["labels"]["intent"] == "debug"
    assert won["confidence"]["intent"] == pytest.approx(2 / 3)
    assert majority("debug", "build")["labels"]["intent"] == "learn"


def test_a_changed_label_rebuilds_the_steps_that_read_it() -> None:
    fresh = answering(concept=["testing"], context="multi-file")
    script = Script([doubtful(intent=0.3), SURE, answering(intent="build"), fresh])
    row = go(script, ArbitrateStep())
    assert script.asked[3].step == "capability"
    assert script.asked[3].messages[0]["content"] == "build t"
    assert row["labels"]["concept"] == ["testing"]
    assert len(row["calls"]) == 4


def test_a_rebuilt_answer_replaces_what_the_first_left_unmapped() -> None:
    first = answering(concept=["sorting"], context="snippet")
    second = answering(concept=["hashing"], context="snippet")
    script = Script([doubtful(intent=0.3), first, answering(intent="build"), second])
    row = go(script, ArbitrateStep())
    assert [entry["value"] for entry in row["unmapped"]] == ["cuda", "hashing"]


@pytest.mark.parametrize(
    ("second", "again", "rebuild"),
    [
        ("{{ transcript }}", "build", True),  # reads no label
        ("{{ labels.domain }}", "build", True),  # reads another one
        ("{{ labels.intent }}", "learn", True),  # nothing changed
        ("{{ labels.intent }}", "build", False),
    ],
)
def test_nothing_is_rebuilt_without_need(second: str, again: str, rebuild: bool) -> None:
    script = Script([doubtful(intent=0.3), SURE, answering(intent=again)])
    row = go(script, ArbitrateStep(rebuild=rebuild), label_steps(second))
    assert len(row["calls"]) == 3


def test_a_template_over_all_labels_is_rebuilt_for_any_of_them() -> None:
    script = Script([doubtful(domain=0.3), SURE, answering(domain=["automation"]), SURE])
    row = go(script, ArbitrateStep(), label_steps("{{ labels | tojson }}"))
    assert len(row["calls"]) == 4


def test_asked_again_a_step_sees_the_labels_it_saw_before() -> None:
    spoken = "{% for name in labels %}{{ name }} {% endfor %}"
    steps = label_steps(spoken)
    script = Script(
        [doubtful(), answering(concept=[], context="snippet", confidence=0.2), answering(concept=[], context="snippet")]
    )
    go(script, ArbitrateStep(), steps)
    assert script.asked[1].messages[0]["content"] == script.asked[2].messages[0]["content"] == "intent language domain"


@pytest.mark.parametrize(
    ("when", "asked"),
    [
        (When(), 3),
        (When(confidence_below=0.5), 2),
        (When(confidence_below={"intent": 0.7}), 3),
        (When(confidence_below={"domain": 0.99, "intent": 0.1}), 3),
        (When(confidence_below=0.1, any=True), 4),
    ],
)
def test_when(when: When, asked: int) -> None:
    def answer(question: Question) -> Said:
        full = {"intent": "learn", "language": ["go"], "domain": [], "concept": [], "context": "snippet"}
        return answering(
            **{name: full[name] for name in question.dimensions}, confidence={"intent": 0.6, "domain": 0.9}
        )

    script = Script(answer)
    go(script, ArbitrateStep(when=when))
    assert len(script.asked) == asked


def test_samples_that_disagree_can_be_what_makes_an_answer_doubtful() -> None:
    def answer(question: Question) -> Said:
        full = {
            "intent": "build" if question.sample else "learn",
            "language": [],
            "domain": [],
            "concept": [],
            "context": "",
        }
        return answering(**{name: full[name] for name in question.dimensions})

    script = Script(answer)
    steps = label_steps("{{ transcript }}", samples=2)
    go(script, ArbitrateStep(when=When(confidence_below=0.1, disagreement=True)), steps)
    assert script.asked[-1].dimensions == ("intent",)
    assert len(script.asked) == 5


def test_a_question_asked_again_is_another_draw() -> None:
    """Else the ledger would answer the doubt with the doubted answer."""
    full = answering(intent="learn", language=[], domain=[], concept=[], context="snippet")
    script = Script(lambda question: full)
    go(script, ArbitrateStep(when=When(any=True)), label_steps("{{ transcript }}", samples=2))
    drawn = [(question.messages[-1]["content"], question.sample) for question in script.asked]
    assert len(set(drawn)) == len(drawn) / 2  # the two label steps of the test have one prompt


def test_only_the_dimensions_named_are_asked_again() -> None:
    script = Script([doubtful(intent=0.1, domain=0.1), SURE, answering(domain=["automation"])])
    go(script, ArbitrateStep(dimensions=("domain",)))
    assert script.asked[2].dimensions == ("domain",)


@pytest.mark.parametrize(("record", "violations"), [("all", ["cuda", "rocm"]), ("first", ["cuda"])])
def test_what_second_answers_leave_on_record(record: Any, violations: list[str]) -> None:
    script = Script([doubtful(domain=0.3), SURE, answering(domain=["rocm"], unmapped=[])])
    row = go(script, ArbitrateStep(record=record, accept="always"))
    assert [entry["value"] for entry in row["unmapped"]] == violations
    assert len(row["issues"]) == len(violations)


def test_the_first_answer_stands_where_asking_again_fails() -> None:
    row = go(Script([doubtful(intent=0.3), SURE, CallFailedError("timeout", "slow")]), ArbitrateStep())
    assert row["failure"] is None
    assert row["labels"]["intent"] == "learn"
    assert row["issues"][-1] == "intent: not asked again (timeout: slow)"
    row = go(Script([doubtful(intent=0.3), SURE, CallFailedError("auth", "no key")]), ArbitrateStep())
    assert row["failure"]["kind"] == "auth"


@pytest.mark.parametrize(("evaluate", "warnings"), [("final", []), ("first_answer", ["learns"])])
def test_rules_see_final_labels_or_those_of_the_first_answer(evaluate: str, warnings: list[str]) -> None:
    script = Script([doubtful(intent=0.3), SURE, answering(intent="build")])
    assert go(script, ArbitrateStep(rebuild=False), evaluate=evaluate)["warnings"] == warnings
