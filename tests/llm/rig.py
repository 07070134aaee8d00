"""What the tests of rayjob.llm share: questions, a parser, a client against a provider, and files on local disk."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rayjob.labels.asking import AnswerError, Question, Reply
from rayjob.llm.attempts import Wire
from rayjob.llm.client import Client
from rayjob.llm.counters import Counters
from rayjob.llm.gate import Gate, direct_exchange
from rayjob.llm.ledger import Ledger
from rayjob.llm.limits import Governor, limits_of
from rayjob.spec.models import BudgetSpec, ModelSpec
from tests.llm_server import Provider

T = TypeVar("T")
KEY = "sk-test-0123456789abcdef"
ENV = {"SOME_KEY": KEY}


def spec(provider: Provider, **fields: Any) -> ModelSpec:
    """A model at the provider."""
    return ModelSpec.model_validate(
        {"model": "openai/scripted", "api_base": provider.url, "api_key_env": "SOME_KEY", "timeout_s": 5} | fields
    )


def question(text: str = "Label this.", **fields: Any) -> Question:
    """A question of two messages."""
    messages = [{"role": "system", "content": "You label."}, {"role": "user", "content": text}]
    return Question(**{"step": "character", "model": "worker", "messages": messages} | fields)


def parse(text: str) -> dict[str, Any]:
    """JSON object or AnswerError."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise AnswerError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise AnswerError("not an object")
    return value


async def no_sleep(seconds: float) -> None:
    """Back-off without the wait."""


def ask_all(
    models: Mapping[str, ModelSpec],
    *questions: Question,
    ledger: Callable[[], Ledger] | None = None,
    budget: BudgetSpec | None = None,
    sleep: Callable[[float], Awaitable[None]] = no_sleep,
) -> tuple[list[tuple[dict[str, Any], Reply] | BaseException], Client]:
    """All questions at once through a client of their own; each one's answer or what it raised."""

    async def run() -> tuple[list[Any], Client]:
        governor = Governor(limits_of(models), {"": budget} if budget else None)
        gate = Gate("test", direct_exchange(governor))
        wire = Wire(gate, Counters(), random.Random(0), sleep)
        client = Client(models, gate, ledger() if ledger else None, ENV, wire)
        try:
            answers = await asyncio.gather(*(client.ask(q, parse) for q in questions), return_exceptions=True)
        finally:
            await client.close()
        return answers, client

    return asyncio.run(run())


class LocalFiles:
    """The ledger's Files on local disk, with a fault that can be switched on."""

    def __init__(self) -> None:
        self.broken = False
        self.reads = 0

    def read_bytes(self, uri: str, offset: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        with Path(uri).open("rb") as file:
            file.seek(offset)
            return file.read(-1 if length is None else length)

    def write_atomic(self, uri: str, data: bytes) -> None:
        if self.broken:
            raise OSError("No space left on device")
        path = Path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.rename(path)

    def list_sizes(self, uri: str) -> Mapping[str, int]:
        return {str(path): path.stat().st_size for path in Path(uri).glob("*") if path.is_file()}

    def delete(self, uri: str) -> None:
        Path(uri).unlink()
