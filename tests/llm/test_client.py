"""The client against a scripted provider over real HTTP: answers, repairs, failures by class, money, secrets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rayjob.labels.asking import CallFailedError
from rayjob.llm.errors import RunStoppedError
from rayjob.llm.transport import read_completion
from rayjob.spec.models import BudgetSpec
from tests.llm.rig import KEY, ask_all, question, spec
from tests.llm_server import Fault, Script, serve, status

SCHEMA = {"type": "object", "properties": {"intent": {"enum": ["build", "learn"]}}}
PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0, "cached_input_usd_per_mtok": 0.1}


@pytest.fixture(params=["direct", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    """Both carriers must behave the same."""
    return str(request.param)


async def brief(seconds: float) -> None:
    await asyncio.sleep(0.05)


def failure(outcome: object) -> CallFailedError:
    assert isinstance(outcome, CallFailedError), outcome
    return outcome


def answer(outcome: object) -> Any:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def test_answer_usage_and_cost(transport: str) -> None:
    with serve(Script(answer=lambda body: '{"intent": "build"}', cached_share=0.5)) as provider:
        models = {"worker": spec(provider, transport=transport, price=PRICE, temperature=0.1, params={"seed": 7})}
        outcomes, client = ask_all(models, question("x" * 4000, schema=SCHEMA))
    value, reply = answer(outcomes[0])
    body = provider.bodies[0]
    assert value == {"intent": "build"}
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (1002, 501, 4)
    assert reply.cost_usd == pytest.approx((501 * 1.0 + 501 * 0.1 + 4 * 2.0) / 1e6)
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("scripted", 0.1, 7, 1000)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert provider.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert client.counters.calls == {("worker", "ok"): 1}


@pytest.mark.parametrize(
    ("structured", "expected"), [("schema", "json_schema"), ("json", "json_object"), ("none", None)]
)
def test_structured_modes(structured: str, expected: str | None) -> None:
    with serve() as provider:
        outcomes, _ = ask_all({"worker": spec(provider, structured=structured)}, question(schema=SCHEMA))
    answer(outcomes[0])
    assert (provider.bodies[0].get("response_format") or {}).get("type") == expected


def test_refused_response_format_is_asked_weaker() -> None:
    refusal = status(400, "response_format type is unavailable now")
    with serve(Script(faults=[refusal, refusal])) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question(schema=SCHEMA))
    answer(outcomes[0])
    assert [(body.get("response_format") or {}).get("type") for body in provider.bodies] == [
        "json_schema", "json_object", None,
    ]  # fmt: skip


@pytest.mark.parametrize("taken", ["json_object", None], ids=["takes JSON mode", "takes neither"])
def test_many_refused_at_once_are_all_asked_weaker(taken: str | None) -> None:
    """Each refusal used to weaken the form one step further: of 20 in flight 18 failed as bad_request."""

    def refuse(body: dict[str, Any]) -> Fault | None:
        asked = (body.get("response_format") or {}).get("type")
        return None if asked in (taken, None) else status(400, f"response_format {asked} is unavailable")

    questions = [question(f"{number}", schema=SCHEMA) for number in range(20)]
    with serve(Script(refuse=refuse)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, *questions)
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes)
    assert (provider.bodies[-1].get("response_format") or {}).get("type") == taken


def test_a_repair_asks_in_the_words_that_were_answered() -> None:
    """It went back to the long prompt, which the context does not hold, and the row was lost."""
    faults = [status(400, "maximum context length is 8192 tokens"), Fault("malformed")]
    shorter = [{"role": "user", "content": "short"}]
    with serve(Script(faults=faults)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question("long " * 100, shorter=shorter))
    answer(outcomes[0])
    assert provider.bodies[2]["messages"][-1]["content"].startswith("short\n\nYou answered this before")


def test_an_answer_in_parts_is_their_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "{}"}]
    said = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    assert read_completion(said).text == "{}"


def test_repair_quotes_the_problem_once() -> None:
    with serve(Script(faults=[Fault("malformed")], answer=lambda body: '{"intent": "build"}')) as provider:
        outcomes, client = ask_all({"worker": spec(provider, price=PRICE)}, question("the sample"))
    value, reply = answer(outcomes[0])
    last = provider.bodies[1]["messages"][-1]["content"]
    assert value == {"intent": "build"}
    assert last.startswith("the sample")
    assert "not JSON" in last
    assert "Sure!" in last
    assert reply.attempts == 2
    assert len(reply.repairs) == 1
    assert reply.repairs[0].cost_usd > 0
    assert client.counters.repairs == 1


def test_unparsable_twice_fails_and_reports_what_was_paid() -> None:
    with serve(Script(answer=lambda body: "no idea")) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question())
    error = failure(outcomes[0])
    assert (error.kind, error.attempts, len(error.calls)) == ("unparsable", 2, 2)


@pytest.mark.parametrize(
    ("fault", "kind", "attempts"),
    [
        (status(500), "server", 5),
        (status(503), "server", 5),
        (status(429), "overload", 10),
        (status(529, "Overloaded"), "overload", 10),
        (Fault("drop"), "connection", 6),
        (status(400, "temperature must be below 2"), "bad_request", 1),
        (status(404, "no such model"), "bad_request", 1),
        (status(400, "This model's maximum context length is 8192 tokens"), "context", 1),
        (status(400, "flagged by our content management policy"), "filtered", 1),
        (Fault("truncated"), "truncated", 2),
        (Fault("filtered"), "filtered", 1),
    ],
)
def test_failures_by_class(transport: str, fault: Fault, kind: str, attempts: int) -> None:
    with serve(Script(faults=[fault] * 20)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider, transport=transport)}, question())
    error = failure(outcomes[0])
    assert (error.kind, error.attempts) == (kind, attempts)
    assert provider.outcomes.total() == attempts
    assert KEY not in error.message


def test_timeout(transport: str) -> None:
    with serve(Script(faults=[Fault("hang")] * 20)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider, transport=transport, timeout_s=0.2)}, question())
    assert (failure(outcomes[0]).kind, failure(outcomes[0]).attempts) == ("timeout", 3)


def test_deadline_ends_a_question_early() -> None:
    with serve(Script(faults=[Fault("hang")] * 20)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider, timeout_s=0.2, deadline_s=0.25)}, question())
    assert failure(outcomes[0]).attempts == 2


def test_transient_failures_are_survived(transport: str) -> None:
    faults = [status(500), status(429, Retry_After="1"), Fault("drop"), status(502), status(503)]
    with serve(Script(faults=faults)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider, transport=transport)}, question())
    assert answer(outcomes[0])[1].attempts == 6


def test_retry_after_is_honoured(transport: str) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with serve(Script(faults=[status(429, Retry_After="7"), status(429)])) as provider:
        ask_all({"worker": spec(provider, transport=transport)}, question(), sleep=sleep)
    assert 7.0 <= waits[0] <= 8.75
    assert waits[1] <= 4.0


def test_filter_gets_plainer_words_and_context_a_shorter_prompt() -> None:
    plain, shorter = [{"role": "user", "content": "plain"}], [{"role": "user", "content": "short"}]
    faults = [Fault("filtered"), status(400, "prompt is too long: 9000 tokens")]
    with serve(Script(faults=faults)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question(plain=plain, shorter=shorter))
    answer(outcomes[0])
    assert [body["messages"] for body in provider.bodies[1:]] == [plain, shorter]


def test_truncated_is_asked_again_with_more_room() -> None:
    with serve(Script(faults=[Fault("truncated")])) as provider:
        outcomes, _ = ask_all({"worker": spec(provider, max_tokens=100)}, question())
    assert len(answer(outcomes[0])[1].repairs) == 1
    assert [body["max_tokens"] for body in provider.bodies] == [100, 200]


def test_five_denials_in_a_row_stop_the_run() -> None:
    message = f"Incorrect API key provided: {KEY}"
    with serve(Script(faults=[status(401, message)] * 50)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, *(question(str(i)) for i in range(4)), sleep=brief)
    assert all(isinstance(outcome, RunStoppedError) and outcome.kind == "auth" for outcome in outcomes)
    assert KEY not in str(outcomes[0])
    assert provider.outcomes.total() <= 5 + 4


def test_billing_is_no_overload() -> None:
    with serve(Script(faults=[status(429, "You exceeded your current quota: insufficient_quota")] * 50)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question(), sleep=brief)
    assert isinstance(outcomes[0], RunStoppedError)


def test_fallback_model_answers() -> None:
    with serve(Script(faults=[status(400, "no")])) as provider:
        models = {"worker": spec(provider, fallback="other"), "other": spec(provider, model="openai/second")}
        outcomes, client = ask_all(models, question())
    assert answer(outcomes[0])[1].model == "openai/second"
    assert client.counters.fallbacks == 1


def test_budget_is_not_overshot_and_stops() -> None:
    # 1,000 tokens in, about 3 out: a thousandth of a dollar each.
    with serve(Script(latency_s=0.01)) as provider:
        models = {"worker": spec(provider, price=PRICE, limits={"concurrency": 8})}
        budget = BudgetSpec(usd=0.02)
        outcomes, client = ask_all(models, *(question("x" * 4000 + str(i)) for i in range(60)), budget=budget)
    stopped = [outcome for outcome in outcomes if isinstance(outcome, RunStoppedError)]
    spent = sum(client.counters.cost_usd.values())
    assert stopped
    assert stopped[0].kind == "budget"
    assert 0.017 <= spent <= 0.02 + 8 * 0.001
    assert len(outcomes) - len(stopped) == provider.outcomes["ok"]


def test_budget_goes_on_with_a_cheaper_model() -> None:
    with serve(Script(latency_s=0.01)) as provider:
        models = {
            "worker": spec(provider, price=PRICE, limits={"concurrency": 2}),
            "cheap": spec(provider, model="openai/cheap", limits={"concurrency": 2}),
        }
        budget = BudgetSpec.model_validate({"usd": 0.02, "then": [{"use": "cheap"}, "stop"]})
        outcomes, client = ask_all(models, *(question("x" * 4000 + str(i)) for i in range(17)), budget=budget)
    assert client.gate.budget_state.use == "cheap"
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes)


def test_unknown_model_name_is_internal() -> None:
    outcomes, _ = ask_all({}, question())
    assert failure(outcomes[0]).kind == "internal"


def test_logprobs_come_back(transport: str) -> None:
    with serve() as provider:
        models = {"worker": spec(provider, transport=transport)}
        outcomes, _ = ask_all(models, question(logprobs=True), question("Another."))
    pieces = answer(outcomes[0])[1].logprobs
    assert "".join(piece for piece, _ in pieces) == answer(outcomes[0])[1].text
    assert {logprob for _, logprob in pieces} == {-0.1}
    assert answer(outcomes[1])[1].logprobs == ()


def test_garbage_bodies_are_server_errors() -> None:
    with serve(Script(faults=[status(200, "")] * 9)) as provider:
        outcomes, _ = ask_all({"worker": spec(provider)}, question())
    assert failure(outcomes[0]).kind == "server"
    assert json.dumps(failure(outcomes[0]).message)
