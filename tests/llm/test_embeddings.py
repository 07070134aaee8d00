"""Embedding models over real HTTP: order, batches, faults, what is booked, and what is asked again in smaller parts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rayjob.labels.asking import CallFailedError
from rayjob.llm.attempts import Wire
from rayjob.llm.counters import Counters
from rayjob.llm.embeddings import BATCH_CHARS, EmbeddingClient, Vectors, cut
from rayjob.llm.errors import RunStoppedError
from rayjob.llm.gate import Gate, direct_exchange
from rayjob.llm.limits import Governor, limits_of
from rayjob.spec.models import BudgetSpec
from rayjob.vectors.cache import PartlyEmbeddedError
from tests.llm.rig import ENV, KEY, no_sleep, spec
from tests.llm_server import Fault, Provider, Script, serve, status

#: 1,000 dollars a million tokens: the budget of a test is quickly spent.
FIELDS: dict[str, Any] = {"model": "openai/scripted", "price": {"input_usd_per_mtok": 1000.0}}


def embed(
    provider: Provider, texts: Sequence[str], batch: int = 2, budget: BudgetSpec | None = None, **fields: Any
) -> tuple[Vectors, Counters]:
    """The vectors of these texts, and what was counted."""
    models = {"embedder": spec(provider, **{**FIELDS, **fields})}

    async def run() -> tuple[Vectors, Counters]:
        gate = Gate("test", direct_exchange(Governor(limits_of(models), {"": budget} if budget else None)))
        wire = Wire(gate, Counters(), random.Random(0), no_sleep)
        client = EmbeddingClient("embedder", models["embedder"], gate, ENV, batch, wire)
        try:
            return await client.embed(texts), client.counters
        except PartlyEmbeddedError as partly:
            raise partly.__cause__ or partly from None
        finally:
            await gate.close()
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize("transport", ["direct", "litellm"])
def test_vectors_come_back_in_order_scaled_and_booked(transport: str) -> None:
    texts = ["aaa", "a", "", "aaaaaaaaa", "aa"]
    with serve() as provider:
        vectors, counters = embed(provider, texts, transport=transport)
        asked = [text for body in provider.bodies for text in body["input"]]
        keys = {headers["Authorization"] for headers in provider.headers}
    expected = np.array([[1.0, max(1, len(text))] for text in texts])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)
    assert sorted(asked) == sorted(text or " " for text in texts)
    assert (len(provider.bodies), counters.calls["embedder", "ok"]) == (3, 3)
    assert counters.prompt_tokens["embedder"] == sum(sum(map(len, b["input"])) // 4 for b in provider.bodies)
    assert counters.cost_usd["embedder"] == pytest.approx(counters.prompt_tokens["embedder"] / 1000)
    assert keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize("transport", ["direct", "litellm"])
@pytest.mark.parametrize("fault", [status(503), status(429, Retry_After="0"), Fault("drop")])
def test_a_fault_is_asked_again(transport: str, fault: Fault) -> None:
    with serve(Script(faults=[fault])) as provider:
        vectors, counters = embed(provider, ["a", "bb"], transport=transport)
    assert vectors.shape == (2, 2)
    assert sum(counters.calls.values()) == 2


@pytest.mark.parametrize("transport", ["direct", "litellm"])
def test_replicas_take_requests_in_turn(transport: str) -> None:
    texts = [f"text {number:02}" for number in range(20)]
    with serve(Script(embed=place_of)) as one, serve(Script(embed=place_of)) as two:
        vectors, counters = embed(one, texts, transport=transport, replicas=[two.url])
        asked = [[text for body in provider.bodies for text in body["input"]] for provider in (one, two)]
    assert sorted(asked[0] + asked[1]) == texts
    assert len(asked[0]) == len(asked[1]) == 10
    assert counters.calls == {("embedder", "ok"): 10}
    np.testing.assert_array_equal(np.argmax(vectors, axis=1), np.arange(20))


def test_a_replica_that_cannot_be_reached_is_passed_over() -> None:
    limits = {"concurrency": 1}  # with more, those that are on their way meanwhile meet it too
    with serve() as one:
        _, counters = embed(one, ["a"] * 20, replicas=["http://127.0.0.1:9/v1"], limits=limits)
        assert one.outcomes["ok"] == 10
    assert counters.calls == {("embedder", "ok"): 10, ("embedder", "connection"): 1}


def place_of(text: str) -> list[float]:
    """A direction for each of the texts "text 00" to "text 19"."""
    return [float(place == int(text.split()[-1])) for place in range(20)]


def test_texts_that_are_too_long_are_halved_until_they_fit() -> None:
    too_long = status(400, "This model's maximum context length is 8192 tokens")
    with serve(Script(faults=[too_long] * 2)) as provider:
        vectors, _ = embed(provider, ["x" * 4000])
        sizes = [[len(text) for text in body["input"]] for body in provider.bodies]
    assert sizes == [[4000], [2000], [1000]]
    assert vectors.shape == (1, 2)
    with serve(Script(faults=[too_long] * 9)) as provider, pytest.raises(CallFailedError, match="context"):
        embed(provider, ["too long, whatever is cut"])


def test_a_batch_that_the_server_refuses_is_asked_for_in_halves() -> None:
    with serve(Script(faults=[status(422, "batch size 4 > maximum allowed batch size 2")])) as provider:
        vectors, _ = embed(provider, ["a", "bb", "ccc", "dddd"], batch=4)
        sizes = [len(body["input"]) for body in provider.bodies]
    assert sizes == [4, 2, 2]
    assert vectors.shape == (4, 2)


@pytest.mark.parametrize(
    ("vector", "message"),
    [([float("nan"), 1.0], "not finite|embeddings"), ([], "not vectors"), (["x"], "not vectors")],
)
def test_what_is_no_vector_fails_the_call(vector: list[Any], message: str) -> None:
    with serve(Script(embed=lambda text: vector)) as provider, pytest.raises(CallFailedError, match=message):
        embed(provider, ["a"])


def test_vectors_of_two_lengths_are_noticed() -> None:
    with (
        serve(Script(embed=lambda text: [1.0] * (2 + len(text)))) as provider,
        pytest.raises(CallFailedError, match=r"different lengths came back: \[3, 4\]"),
    ):
        embed(provider, ["a", "bb"], batch=1)


def test_a_wrong_request_says_what_the_provider_said_and_hides_the_key() -> None:
    with (
        serve(Script(faults=[status(400, f"unknown parameter, key {KEY}")] * 9)) as provider,
        pytest.raises(CallFailedError) as caught,
    ):
        embed(provider, ["a", "b"])
    assert (caught.value.kind, "unknown parameter" in caught.value.message) == ("bad_request", True)
    assert KEY not in caught.value.message


def test_a_budget_stops_embedding() -> None:
    with serve() as provider, pytest.raises(RunStoppedError, match="budget"):
        embed(provider, ["a" * 400] * 50, batch=1, budget=BudgetSpec(usd=0.5), limits={"concurrency": 1})


def test_what_was_answered_before_the_run_ends_is_handed_over() -> None:
    texts = ["a" * 400 + str(number) for number in range(10)]
    with serve() as provider:
        models = {"embedder": spec(provider, **{**FIELDS, "limits": {"concurrency": 1}})}

        async def run() -> PartlyEmbeddedError:
            budget = {"": BudgetSpec(usd=0.5)}
            gate = Gate("test", direct_exchange(Governor(limits_of(models), budget)))
            client = EmbeddingClient("embedder", models["embedder"], gate, ENV, 1, Wire(gate, Counters()))
            try:
                with pytest.raises(PartlyEmbeddedError) as caught:
                    await client.embed(texts)
            finally:
                await gate.close()
                await client.close()
            return caught.value

        stop = asyncio.run(run())
        answered = [text for body in provider.bodies for text in body["input"]]
    assert isinstance(stop.__cause__, RunStoppedError)
    assert [texts[place] for place in sorted(stop.known)] == sorted(answered)
    assert 0 < len(answered) < 10
    assert {vector.shape for vector in stop.known.values()} == {(2,)}


def test_batches_hold_so_many_texts_and_characters() -> None:
    assert [len(part) for part in cut(["a"] * 5, 2)] == [2, 2, 1]
    assert [len(part) for part in cut(["a" * BATCH_CHARS, "b" * BATCH_CHARS, "c"], 9)] == [1, 1, 1]
    assert list(cut([], 2)) == []
