"""What the ledger keeps of a question and its answer: a key of what was asked, a record of what was answered."""

from __future__ import annotations

from hashlib import sha256

import orjson

from rayjob.labels.asking import Question, Reply
from rayjob.spec.models import ModelSpec

KEY_BYTES = 16
#: Part of every key: to be raised when a record's meaning changes.
VERSION = 1
_KEPT = (
    "text",
    "model",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "cost_usd",
    "latency_s",
    "finish_reason",
)


def question_key(question: Question, spec: ModelSpec) -> bytes:
    """16 bytes of SHA-256 over model, parameters, messages, schema and draw, as canonical JSON.

    Not over the address, the key or the limits: the same model elsewhere would have answered the same question. Among
    ten million questions two share a key with a chance of 1.5e-25.
    """
    asked = {
        "version": VERSION,
        "model": spec.model,
        "temperature": spec.temperature if question.temperature is None else question.temperature,
        "max_tokens": question.max_tokens or spec.max_tokens,
        "params": spec.params,
        "structured": spec.structured,
        "messages": question.messages,
        "schema": question.schema,
        "sample": question.sample,
    }
    if question.logprobs:  # only then, so that answers paid before there was such a question keep their keys
        asked["logprobs"] = True
    return sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()[:KEY_BYTES]


def record_of(reply: Reply) -> bytes:
    """A reply as it is kept: the text and what it cost. Nothing of the request, so no key can be in it."""
    kept: dict[str, object] = {name: getattr(reply, name) for name in _KEPT}
    if reply.logprobs:
        kept["logprobs"] = reply.logprobs
    kept["step"] = reply.step
    return orjson.dumps(kept)


def reply_of(record: bytes, step: str) -> Reply:
    """The reply that a record holds; it costs nothing now."""
    kept = orjson.loads(record)
    return Reply(
        text=kept["text"], step=step, model=kept["model"], attempts=0, prompt_tokens=kept["prompt_tokens"],
        cached_tokens=kept["cached_tokens"], completion_tokens=kept["completion_tokens"], cost_usd=0.0, latency_s=0.0,
        finish_reason=kept["finish_reason"], from_ledger=True,
        logprobs=tuple((token, logprob) for token, logprob in kept.get("logprobs", ())),
    )  # fmt: skip
