"""Anthropic's cache mark: where it stands in what is really sent, what comes back as cached, and who gets none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rayjob.labels.asking import Question
from rayjob.llm.prices import prices_of
from rayjob.llm.records import question_key
from rayjob.llm.transport import Answer, call_of
from rayjob.llm.via_litellm import LiteLLMTransport, caches_when_told, mark_cached
from rayjob.spec.models import ModelSpec, PriceSpec

MESSAGES = [
    {"role": "system", "content": "You label."},
    {"role": "user", "content": "an example"},
    {"role": "assistant", "content": '{"a": 1}'},
    {"role": "user", "content": "the row"},
]
QUESTION = Question("character", "worker", MESSAGES, static=3)
REPLY = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "{}"}],
    "usage": {
        "input_tokens": 40, "cache_read_input_tokens": 5000, "cache_creation_input_tokens": 300, "output_tokens": 9,
    },
}  # fmt: skip


def send(question: Question) -> tuple[dict[str, Any], Answer]:
    """What LiteLLM posts to Anthropic's endpoint for a question, and the answer as it is read."""

    async def run() -> tuple[dict[str, Any], Answer]:
        bodies: list[dict[str, Any]] = []

        async def take(request: web.Request) -> web.Response:
            bodies.append(await request.json())
            return web.json_response(REPLY)

        app = web.Application()
        app.router.add_post("/v1/messages", take)
        async with TestServer(app) as server:
            spec = ModelSpec(
                model="anthropic/claude-sonnet-4-5", api_base=str(server.make_url("")).rstrip("/"), api_key_env="KEY"
            )
            transport = LiteLLMTransport(spec, {"KEY": "sk-test"})
            try:
                answer = await transport.send(call_of(question, spec, "none"))
            finally:
                await transport.close()
        return bodies[0], answer

    return asyncio.run(run())


def test_the_mark_stands_at_the_end_of_the_last_static_message() -> None:
    body, answer = send(QUESTION)
    parts = [part for message in body["messages"] for part in message["content"]]
    assert [part for part in parts if "cache_control" in part] == [
        {"type": "text", "text": '{"a": 1}', "cache_control": {"type": "ephemeral"}}
    ]
    assert [part["text"] for part in body["system"]] == ["You label."]
    assert "cache_control" not in body["system"][0]
    assert (answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) == (5340, 5000, 9)
    assert answer.cache_written_tokens == 300


def test_what_is_written_to_the_cache_costs_more_than_what_is_read_from_it() -> None:
    spec = ModelSpec(model="anthropic/claude-sonnet-4-5")
    assert prices_of(spec).cost(5340, 5000, 9, 300) == pytest.approx((40 * 3 + 5000 * 0.3 + 300 * 3.75 + 9 * 15) / 1e6)
    own = {"input_usd_per_mtok": 3, "output_usd_per_mtok": 15}
    as_any = ModelSpec(model="anthropic/claude-sonnet-4-5", price=PriceSpec(**own))
    told = ModelSpec(model="anthropic/claude-sonnet-4-5", price=PriceSpec(**own, cache_write_usd_per_mtok=3.75))
    assert prices_of(as_any).cost(1000, 0, 0, 1000) == pytest.approx(3e-3)
    assert prices_of(told).cost(1000, 0, 0, 1000) == pytest.approx(3.75e-3)
    batch = ModelSpec(model="anthropic/claude-sonnet-4-5", mode="batch")
    assert prices_of(batch).cost(1000, 0, 0, 1000) == pytest.approx(3.75e-3 / 2)


def test_a_question_that_shares_nothing_gets_no_mark() -> None:
    body, _ = send(replace(QUESTION, static=0))
    assert "cache_control" not in str(body)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("anthropic/claude-sonnet-4-5", True),
        ("bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", True),
        ("bedrock/eu.anthropic.claude-sonnet-4-20250514-v1:0", True),
        ("vertex_ai/claude-sonnet-4-5", True),
        ("vertex_ai/gemini-2.5-flash", False),
        ("bedrock/amazon.nova-lite-v1:0", False),
        ("openai/gpt-4.1-mini", False),
        ("hosted_vllm/claude-like", False),
    ],
)
def test_who_is_told_what_to_cache(model: str, told: bool) -> None:
    assert caches_when_told(model) is told


def test_marking_changes_no_message_of_the_question() -> None:
    before = [dict(message) for message in MESSAGES]
    marked = mark_cached(MESSAGES, 1)
    assert before == MESSAGES
    assert marked[0]["content"] == [{"type": "text", "text": "You label.", "cache_control": {"type": "ephemeral"}}]
    assert marked[1:] == MESSAGES[1:]


def test_what_is_cached_is_no_part_of_the_question_in_the_ledger() -> None:
    spec = ModelSpec(model="anthropic/claude-sonnet-4-5")
    assert question_key(QUESTION, spec) == question_key(replace(QUESTION, static=0), spec)
