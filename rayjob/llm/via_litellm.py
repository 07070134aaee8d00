"""The only module that imports LiteLLM: any provider it knows, with everything it does on the side switched off."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from rayjob.llm.embeddings import embedding_body, read_embeddings
from rayjob.llm.errors import ProviderError, kind_of_status, read_retry_after, redact
from rayjob.llm.prices import prices_of
from rayjob.llm.transport import Answer, Call, Messages
from rayjob.spec.models import ModelSpec

_DEFAULT_POOL = 500
#: Where Anthropic's models are behind LiteLLM; the other providers cache what prompts begin with by themselves.
MARKED_BY = frozenset({"anthropic", "azure_ai", "bedrock", "databricks", "openrouter", "vertex_ai"})
_NO_CONNECTION = re.compile(r"connection error|cannot connect|server disconnected|connection reset", re.IGNORECASE)


@cache
def import_litellm() -> ModuleType:
    """LiteLLM without network look-ups at import, callbacks, telemetry or logging. Takes seconds the first time."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOG", "CRITICAL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's about LiteLLM's own types, the last at the first response it makes
        import litellm

        litellm.ModelResponse()

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    litellm.modify_params = False
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.callbacks = litellm.success_callback = litellm.failure_callback = []
    litellm._async_success_callback = litellm._async_failure_callback = litellm.input_callback = []
    return litellm  # type: ignore[no-any-return]


async def close_clients() -> None:
    """Closes LiteLLM's connections and forgets its clients: each belongs to the event loop that it was made in."""
    litellm = import_litellm()
    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()


class LiteLLMTransport:
    """Calls of one spec model through `litellm.acompletion`; retries, costs and timeouts stay ours."""

    def __init__(self, spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        if spec.limits.concurrency > _DEFAULT_POOL:  # LiteLLM reads its pool's size at import
            os.environ.setdefault("AIOHTTP_CONNECTOR_LIMIT", str(spec.limits.concurrency * 2))
            os.environ.setdefault("AIOHTTP_CONNECTOR_LIMIT_PER_HOST", str(spec.limits.concurrency + 8))
        self._litellm = import_litellm()
        self._secrets = tuple(secrets)
        self._fixed: dict[str, Any] = {"model": spec.model, "max_retries": 0, "num_retries": 0, "drop_params": True}
        if spec.api_base:
            self._fixed["api_base"] = spec.api_base
        if spec.api_key_env:
            self._fixed["api_key"] = env.get(spec.api_key_env, "")
        elif spec.api_base:
            self._fixed["api_key"] = "none"  # a server of one's own: LiteLLM refuses to call without any
        self._marks_cache = caches_when_told(spec.model)
        self._fixed["timeout"] = spec.timeout_s + 5  # ours comes first
        self._register(spec)

    async def send(self, call: Call) -> Answer:
        """See Transport.send."""
        with translated(self._secrets):
            response = await self._litellm.acompletion(**self._fixed, **self._body(call))
        return read_response(response)

    def _body(self, call: Call) -> dict[str, object]:
        body = call.body()
        if self._marks_cache and call.static:
            body["messages"] = mark_cached(call.messages, call.static)
        return body

    async def close(self) -> None:
        """See Transport.close."""
        await close_clients()

    def _register(self, spec: ModelSpec) -> None:
        # An unknown model costs a look-up of its (absent) metadata on every call, a third of the CPU.
        # The price is a placeholder that must not be zero: costs are ours (prices.py).
        if prices_of(spec).known and spec.price is None:
            return
        provider = spec.model.partition("/")[0]
        entry = {
            "input_cost_per_token": 1e-9,
            "output_cost_per_token": 1e-9,
            "litellm_provider": provider,
            "mode": "chat",
        }
        entry |= {"supports_response_schema": True, "supports_system_messages": True}
        self._litellm.register_model({spec.model: entry, spec.model.partition("/")[2]: entry})


class LiteLLMEmbeddings(LiteLLMTransport):
    """Embedding calls through `litellm.aembedding`."""

    def __init__(self, spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        super().__init__(spec, env, secrets)
        # `max_retries or DEFAULT_MAX_RETRIES` stands in its OpenAI path for embeddings: a 0 of ours would become 2.
        vars(self._litellm)["DEFAULT_MAX_RETRIES"] = 0

    async def send(self, call: Call) -> Answer:
        """See Transport.send."""
        with translated(self._secrets):
            response = await self._litellm.aembedding(**self._fixed, **embedding_body(call))
        try:
            return read_embeddings(response.model_dump())
        except (LookupError, TypeError, AttributeError) as error:
            raise ProviderError("server", f"not a list of embeddings ({type(error).__name__}: {error})") from None

    def _register(self, spec: ModelSpec) -> None:
        """Nothing to make up: an entry of mode `chat` would have LiteLLM refuse to embed."""


def caches_when_told(model: str) -> bool:
    """Whether the provider caches a prompt only up to a mark in it: Anthropic, wherever it is hosted."""
    provider, _, name = model.partition("/")
    return provider in MARKED_BY and ("claude" in name or "anthropic" in name)


def mark_cached(messages: Messages, static: int) -> list[dict[str, object]]:
    """The messages with Anthropic's mark at the end of the last static one: all up to there is cached.

    The mark is one of content parts, as LiteLLM passes it on: {"type": "text", "text": …, "cache_control": …}.
    """
    marked: list[dict[str, object]] = [dict(message) for message in messages]
    last = marked[min(static, len(marked)) - 1]
    last["content"] = [{"type": "text", "text": last["content"], "cache_control": {"type": "ephemeral"}}]
    return marked


def read_response(response: Any) -> Answer:
    """A LiteLLM ModelResponse as an Answer."""
    try:
        choice = response.choices[0]
        usage = getattr(response, "usage", None)
        details = getattr(usage, "prompt_tokens_details", None)
        logprobs = getattr(getattr(choice, "logprobs", None), "content", None) or ()
        return Answer(
            text=choice.message.content or "",
            finish_reason=choice.finish_reason or "stop",
            prompt_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            cached_tokens=getattr(details, "cached_tokens", 0) or 0,
            completion_tokens=getattr(usage, "completion_tokens", 0) or 0,
            cache_written_tokens=getattr(usage, "cache_creation_input_tokens", 0) or 0,
            logprobs=tuple((token.token, token.logprob) for token in logprobs),
        )
    except (AttributeError, IndexError, TypeError) as error:
        raise ProviderError("server", f"not a chat completion ({type(error).__name__}: {error})") from None


@contextmanager
def translated(secrets: Sequence[str] = ()) -> Iterator[None]:
    """Around a call of LiteLLM: whatever it raises comes out as a ProviderError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - LiteLLM raises dozens of classes, and its bugs as any other
        raise translate(error, secrets) from None


def translate(error: Exception, secrets: Sequence[str] = ()) -> ProviderError:
    """A LiteLLM exception as a ProviderError of the right kind."""
    litellm = import_litellm()
    text = str(error)
    message = redact(f"{type(error).__name__}: {text}", secrets)
    by_class = (
        (litellm.ContextWindowExceededError, "context"),
        (litellm.ContentPolicyViolationError, "filtered"),
        (litellm.Timeout, "timeout"),
        (litellm.APIConnectionError, "connection"),
    )
    for cls, kind in by_class:
        if isinstance(error, cls):
            return ProviderError(kind, message)
    status = getattr(error, "status_code", None)
    # Its OpenAI path reports a dropped connection as the server's error.
    if status == 500 and _NO_CONNECTION.search(text):
        return ProviderError("connection", message)
    if not isinstance(status, int):
        return ProviderError("internal", message)
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    return ProviderError(kind_of_status(status, text), message, read_retry_after(headers or {}))
