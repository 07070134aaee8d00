"""The label step: what it asks, what it makes of answers, and rows that fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rayjob.labels.asking import CallFailedError, Question, Reply
from rayjob.labels.prompt import Template
from rayjob.spec.label import LabelStep
from rayjob.steps.label import NO_LOGPROBS, Label
from rayjob.steps.row import Row, finish_row, start_row
from tests.labels.small import CAPABILITY, CHARACTER, SMALL
from tests.steps.asking import Script, answering

FIRST = Template(
    "--- system\n{{ dimensions | map(attribute='name') | join(' ') }}\n--- user\n{{ transcript }}", "first.j2"
)
SECOND = Template("{{ labels.intent }}: {{ transcript }}", "second.j2")
PREPARED: Row = {"uid": "u", "transcript": "how do I loop?", "query": "loop?", "answer": "for", "signals": "{}"}


def character(**settings: Any) -> Label:
    spec = LabelStep(dimensions=CHARACTER, model="worker", prompt="first.j2", **settings)
    return Label("character", spec, SMALL, FIRST)


def capability(**settings: Any) -> Label:
    spec = LabelStep(dimensions=CAPABILITY, model="worker", prompt="second.j2", **settings)
    return Label("capability", spec, SMALL, SECOND)


def go(steps: list[Any], script: Script, row: Row = PREPARED) -> Row:
    async def walk() -> Row:
        current = start_row(row)
        for step in steps:
            current = await step(current, script)
        return finish_row(current, SMALL.dimensions.values())

    return asyncio.run(walk())


def test_two_calls_label_a_row_and_the_second_sees_the_first() -> None:
    script = Script(
        [
            answering(intent="learn", language=["py"], domain=[], unmapped=["loops"]),
            answering(concept=["caching"], context="snippet", confidence={"concept": 0.5, "context": 0.7}),
        ]
    )
    row = go([character(), capability()], script)
    assert row["labels"] == {
        "intent": "learn", "language": ["python"], "domain": [], "concept": ["caching"], "context": "snippet",
    }  # fmt: skip
    assert row["confidence"] == {"intent": 0.9, "language": 0.9, "domain": 0.9, "concept": 0.5, "context": 0.7}
    assert row["unmapped"] == [{"dimension": "", "value": "loops", "kind": "suggestion"}]
    assert [(call["step"], call["model"]) for call in row["calls"]] == [
        ("character", "worker"),
        ("capability", "worker"),
    ]
    assert row["failure"] is None
    assert row["arbitrated"] is False
    assert "_state" not in row
    first, second = script.asked
    assert [message["content"] for message in first.messages] == ["intent language domain", "how do I loop?"]
    assert second.messages[0]["content"] == "learn: how do I loop?"
    assert first.dimensions == ("intent", "language", "domain")
    assert PREPARED.keys() == {"uid", "transcript", "query", "answer", "signals"}


def test_a_failed_step_fails_the_row_and_later_steps_leave_it_alone() -> None:
    paid = Reply("?", "character", "worker", cost_usd=0.2)
    row = go([character(), capability()], Script([CallFailedError("timeout", "no answer in 60 s", 3, (paid,))]))
    assert row["failure"] == {"kind": "timeout", "message": "no answer in 60 s", "step": "character", "attempts": 3}
    assert [call["cost_usd"] for call in row["calls"]] == [0.2]
    assert row["labels"]["concept"] == []
    assert row["transcript"] == PREPARED["transcript"]


def test_an_unreadable_answer_fails_with_what_it_cost() -> None:
    row = go([character()], Script(["I would rather not."]))
    assert (row["failure"]["kind"], len(row["calls"])) == ("unparsable", 2)


def test_a_prompt_that_does_not_render_is_a_failure_of_the_row_that_names_the_line() -> None:
    spec = LabelStep(dimensions=CHARACTER, model="worker", prompt="x")
    row = go([Label("character", spec, SMALL, Template("{{ labels.intent }}", "bad.j2"))], Script([]))
    assert row["failure"]["kind"] == "internal"
    assert "bad.j2:1" in row["failure"]["message"]


def test_a_row_that_failed_before_asks_nothing() -> None:
    broken = {**PREPARED, "failure": {"kind": "unreadable", "message": "m", "step": "prepare", "attempts": 1}}
    assert go([character()], Script([]), broken)["failure"]["kind"] == "unreadable"


def test_a_tag_for_a_dimension_of_the_other_call_comes_home_from_either_side() -> None:
    script = Script(
        [
            answering(intent="learn", language=["caching"], domain=[]),
            answering(concept=["testing"], context="automation"),
        ]
    )
    row = go([character(), capability()], script)
    assert row["labels"]["concept"] == ["testing", "caching"]
    assert row["labels"]["domain"] == ["automation"]
    assert [(entry["value"], entry["to_dimension"]) for entry in row["canonicalized"]] == [
        ("caching", "concept"), ("automation", "domain"),
    ]  # fmt: skip


def test_a_tag_of_a_dimension_that_no_step_labels_is_a_violation() -> None:
    row = go([character()], Script([answering(intent="learn", language=["caching"], domain=[])]))
    assert row["unmapped"] == [{"dimension": "language", "value": "caching", "kind": "violation"}]
    assert row["issues"] == ["language: 'caching' not in pool"]


def test_repairs_are_calls_of_their_own() -> None:
    class Repairing(Script):
        async def ask(self, question: Question, parse: Any) -> Any:
            value, reply = await super().ask(question, parse)
            return value, Reply(reply.text, question.step, question.model, repairs=(reply,))

    row = go([character()], Repairing([answering(intent="learn", language=[], domain=[])]))
    assert len(row["calls"]) == 2


def test_samples_agree_into_a_majority_with_their_agreement_as_confidence() -> None:
    drawn = [
        answering(intent="learn", language=["go", "python"], domain=[]),
        answering(intent="build", language=["go"], domain=[]),
        answering(intent="learn", language=["go", "cpp"], domain=[]),
    ]
    script = Script(list(drawn))
    row = go([character(samples=3, confidence="samples", temperature=0.7)], script)
    assert row["labels"]["intent"] == "learn"
    assert row["labels"]["language"] == ["go"]
    assert row["confidence"]["intent"] == pytest.approx(2 / 3)
    assert row["confidence"]["language"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert row["confidence"]["domain"] == 1.0
    assert [(question.sample, question.temperature) for question in script.asked] == [(0, 0.7), (1, 0.7), (2, 0.7)]
    assert len(row["calls"]) == 3


def test_draws_that_fail_are_left_out_while_one_answers() -> None:
    good = answering(intent="learn", language=[], domain=[])
    row = go([character(samples=2)], Script([CallFailedError("server", "down"), good]))
    assert (row["labels"]["intent"], row["failure"]) == ("learn", None)
    row = go([character(samples=2)], Script([CallFailedError("server", "down"), CallFailedError("timeout", "slow")]))
    assert row["failure"]["kind"] == "server"


def test_models_agree_into_a_majority_and_the_first_wins_a_tie() -> None:
    drawn = [
        answering(intent="learn", language=["go"], domain=[]),
        answering(intent="build", language=["python"], domain=[]),
    ]
    script = Script(list(drawn))
    row = go([character(also_ask=("second",), confidence="models")], script)
    assert (row["labels"]["intent"], row["labels"]["language"]) == ("learn", ["go"])
    assert {name: row["confidence"][name] for name in CHARACTER} == {"intent": 0.5, "language": 0.5, "domain": 1.0}
    assert [(question.model, question.sample) for question in script.asked] == [("worker", 0), ("second", 0)]


@pytest.mark.parametrize(
    "settings", [{"samples": 2, "confidence": "samples"}, {"also_ask": ("b",), "confidence": "models"}]
)
def test_one_answer_alone_agrees_with_nobody(settings: dict[str, Any]) -> None:
    good = answering(intent="learn", language=[], domain=[])
    row = go([character(**settings)], Script([good, CallFailedError("server", "down")]))
    assert row["labels"]["intent"] == "learn"
    assert set(row["confidence"].values()) == {None}


def test_a_provider_without_token_probabilities_is_said() -> None:
    row = go([character(confidence="logprobs")], Script([answering(intent="learn", language=[], domain=[])]))
    assert row["confidence"]["intent"] is None
    assert row["issues"] == [NO_LOGPROBS]


def test_confidence_from_token_probabilities() -> None:
    text = json.dumps({"intent": "learn", "language": ["go"], "domain": []})
    tokens = tuple((char, -0.1 if char in "learn" else 0.0) for char in text)

    class WithTokens(Script):
        async def ask(self, question: Question, parse: Any) -> Any:
            return parse(text), Reply(text, logprobs=tokens)

    row = go([character(confidence="logprobs")], WithTokens([]))
    assert row["confidence"]["intent"] == pytest.approx(0.6065, abs=1e-4)  # exp(-0.5): five letters
    assert row["confidence"]["language"] == 1.0
    assert row["confidence"]["domain"] == 1.0


def test_shorter_and_plainer_wordings_are_rendered_only_when_read() -> None:
    step = character()
    row = start_row({**PREPARED, "transcript": "x" * 9000 + "end", "query": "q" * 2000})
    question = step.question(row, _asking(step))
    assert question.shorter
    assert question.plain
    shorter = question.shorter[-1]["content"]
    assert 2900 < len(shorter) < 3200
    assert shorter.endswith("end")
    plain = question.plain[-1]["content"]
    assert "x" * 10 not in plain
    assert plain.count("q") < 900


def _asking(step: Label) -> Any:
    from rayjob.steps.label import Asking

    return Asking(step.name, "worker", step.dims)
