"""`mode: batch` against the scripted provider's files and batches: submit, poll, partial failure, kill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rayjob.labels.asking import CallFailedError
from rayjob.llm.batch import BatchNotes
from rayjob.llm.batch_api import BatchApi
from rayjob.llm.client import Client
from rayjob.llm.errors import ProviderError, RunStoppedError
from rayjob.llm.gate import Gate, direct_exchange
from rayjob.llm.ledger import Ledger
from rayjob.llm.limits import Governor, limits_of
from rayjob.llm.prices import prices_of
from rayjob.llm.via_litellm import close_clients
from rayjob.spec.models import ModelSpec
from tests.llm.rig import ENV, LocalFiles, ask_all, parse, question, spec
from tests.llm_server import Fault, Provider, Script, serve, status

# LiteLLM loses a coroutine of its own in `afile_content` (1.106.2); the answer comes all the same.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine:RuntimeWarning"
)

QUICK = {"requests": 100, "wait_s": 0.05, "poll_s": 0.02}


def batched(provider: Provider, **batch: Any) -> ModelSpec:
    return spec(provider, mode="batch", batch=QUICK | batch, timeout_s=0.01, price={"input_usd_per_mtok": 2.0})


def ledger_at(path: Path) -> Callable[[], Ledger]:
    return lambda: Ledger.open(LocalFiles(), str(path))


def test_questions_become_one_batch_at_half_the_price() -> None:
    with serve(Script(answer=lambda body: '{"intent": "build"}')) as provider:
        models = {"worker": batched(provider)}
        outcomes, _ = ask_all(models, *(question("x" * 4000 + str(i)) for i in range(30)))
    assert len(provider.batches) == 1
    assert [outcome[0] for outcome in outcomes] == [{"intent": "build"}] * 30  # type: ignore[index]
    reply = outcomes[0][1]  # type: ignore[index]
    assert reply.cost_usd == pytest.approx(reply.prompt_tokens * 1.0 / 1e6)
    assert prices_of(models["worker"]).input_usd == 1e-6


def test_a_full_batch_goes_at_once() -> None:
    with serve() as provider:
        ask_all({"worker": batched(provider, requests=10)}, *(question(str(i)) for i in range(30)))
    assert len(provider.batches) == 3


def test_draws_of_one_question_are_answered_apart() -> None:
    """They shared one request: three votes of one voice, unanimous, and paid once but counted three times."""
    with serve() as provider:
        ask_all({"worker": batched(provider)}, *(question(sample=draw) for draw in range(3)))
    assert (len(provider.batches), len(provider.bodies)) == (1, 3)


def test_what_fails_in_a_batch_is_asked_in_the_next() -> None:
    with serve(Script(faults=[status(500), Fault("drop"), Fault("malformed")])) as provider:
        outcomes, _ = ask_all({"worker": batched(provider)}, *(question(str(i)) for i in range(10)))
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes)
    assert len(provider.batches) == 2
    assert len(provider.bodies) == 10 + 3


def test_a_refused_batch_fails_its_questions() -> None:
    with serve(Script(batch_end="failed", faults=[Fault("drop")] * 2)) as provider:
        outcomes, _ = ask_all({"worker": batched(provider)}, question("a"), question("b"))
    assert [isinstance(outcome, CallFailedError) and outcome.kind for outcome in outcomes] == ["bad_request"] * 2


@pytest.mark.parametrize("call", ["submit", "look", "fetch"])
def test_what_nobody_foresaw_fails_the_questions_and_keeps_nobody_waiting(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def surprise(self: BatchApi, *asked: Any) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(BatchApi, call, surprise)
    with serve() as provider:
        outcomes, _ = ask_all({"worker": batched(provider)}, question("a"), question("b"))
    assert [str(outcome) for outcome in outcomes] == ["internal: RuntimeError: surprise"] * 2


class NotesUnread(LocalFiles):
    """The ledger can be read, the notes beside it cannot."""

    def list_sizes(self, uri: str) -> Mapping[str, int]:
        if uri.endswith("/batches"):
            raise OSError("no answer")
        return super().list_sizes(uri)


def test_a_run_that_cannot_know_its_batches_stops_before_it_pays_them_again(tmp_path: Path) -> None:
    with serve() as provider:
        models = {"worker": batched(provider)}
        outcomes, _ = ask_all(models, question("a"), ledger=lambda: Ledger.open(NotesUnread(), str(tmp_path)))
    assert isinstance(outcomes[0], RunStoppedError)
    assert "batches that are out cannot be read: no answer" in str(outcomes[0])
    assert not provider.batches


def test_a_killed_run_waits_for_its_batches_and_pays_nothing_twice(tmp_path: Path) -> None:
    with serve(Script(batch_looks=10**9)) as provider:
        models = {"worker": batched(provider)}
        questions = [question(str(i)) for i in range(10)]
        asyncio.run(killed({"worker": batched(provider, requests=10, wait_s=60, poll_s=60)}, questions, tmp_path))
        assert len(provider.batches) == 1
        provider.script.batch_looks = 0
        outcomes, _ = ask_all(models, *questions[:6], ledger=ledger_at(tmp_path))
        assert not any(isinstance(outcome, BaseException) for outcome in outcomes)
        assert BatchNotes(LocalFiles(), str(tmp_path)).load("openai/scripted")  # four are still to be asked for
        ask_all(models, *questions, ledger=ledger_at(tmp_path))
        assert BatchNotes(LocalFiles(), str(tmp_path)).load("openai/scripted") == {}
        assert len(provider.batches) == 1


async def killed(models: dict[str, ModelSpec], questions: list[Any], path: Path) -> None:
    """Asks, and dies when the batch is out, before anything is answered."""
    client = Client(models, Gate("dies", direct_exchange(Governor(limits_of(models)))), ledger_at(path)(), ENV)
    asking = [asyncio.create_task(client.ask(asked, parse)) for asked in questions]
    notes = BatchNotes(LocalFiles(), str(path))
    for _ in range(600):
        await asyncio.sleep(0.05)
        if notes.load("openai/scripted"):
            break
    assert not any(task.done() for task in asking)
    await close_clients()  # LiteLLM keeps them for the process, which in truth would be another one


def test_cancelling_and_errors_of_the_api() -> None:
    async def main(provider: Provider) -> None:
        api = BatchApi(batched(provider), ENV)
        made = await api.submit({"a": {"messages": [{"role": "user", "content": "x"}]}})
        assert not made.is_done
        assert (await api.cancel(made.id)).status == "cancelled"
        with pytest.raises(ProviderError, match="no such batch"):
            await api.look("batch-99")

    with serve() as provider:
        asyncio.run(main(provider))
