"""OpenAI-compatible chat completions over plain aiohttp: a tenth of LiteLLM's CPU (docs/limits.md).

For servers whose API *is* OpenAI's (vLLM, SGLang, gateways). A provider with quirks of its own goes through LiteLLM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson

from rayjob.llm.errors import ProviderError, kind_of_status, read_retry_after, redact
from rayjob.llm.transport import Answer, Call, read_completion
from rayjob.spec.models import ModelSpec

#: Providers spoken to directly, and where they are when the spec has no api_base.
BASES: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "together_ai": "https://api.together.xyz/v1",
    "hosted_vllm": "",
    "openai_like": "",
}
_DEFAULT_KEYS = {"openai": "OPENAI_API_KEY", "deepseek": "DEEPSEEK_API_KEY", "together_ai": "TOGETHERAI_API_KEY"}


def goes_direct(spec: ModelSpec) -> bool:
    """Whether `auto` picks this transport: an OpenAI-compatible server of the user's own."""
    if spec.transport != "auto":
        return spec.transport == "direct"
    return spec.api_base is not None and spec.model.partition("/")[0] in BASES


class DirectTransport:
    """One connection pool to one server. Raises ValueError for a provider it has no address of."""

    path = "/chat/completions"

    def __init__(self, spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        provider, _, self._model = spec.model.partition("/")
        base = spec.api_base or BASES.get(provider, "")
        if not base or not self._model:
            raise ValueError(f"transport direct: no address for {spec.model!r}; set api_base or transport: litellm")
        self._url = base.rstrip("/") + self.path
        key = env.get(spec.api_key_env or _DEFAULT_KEYS.get(provider, ""), "")
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._secrets = (*secrets, key)
        self._concurrency = spec.limits.concurrency
        self._session: aiohttp.ClientSession | None = None

    async def send(self, call: Call) -> Answer:
        """See Transport.send."""
        body = orjson.dumps({"model": self._model, **self._body(call)})
        try:
            async with self._open().post(self._url, data=body, headers=self._headers) as response:
                payload = await response.read()
                if response.status != 200:
                    raise self._refusal(response.status, payload, response.headers)
        except TimeoutError as error:
            raise ProviderError("timeout", f"no answer from {self._url}: {error or 'timed out'}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderError("connection", redact(f"{type(error).__name__}: {error}", self._secrets)) from None
        return self._read(payload)

    def _body(self, call: Call) -> dict[str, object]:
        return call.body()

    def _read_data(self, data: Mapping[str, Any]) -> Answer:
        return read_completion(data)

    async def close(self) -> None:
        """See Transport.close."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the event loop it is made in. The timeout is the client's, not
        # aiohttp's.
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency + 8, keepalive_timeout=60, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _refusal(self, status: int, payload: bytes, headers: Mapping[str, str]) -> ProviderError:
        text = payload.decode("utf-8", "replace")
        message = redact(f"HTTP {status}: {text}", self._secrets)
        return ProviderError(kind_of_status(status, text), message, read_retry_after(headers))

    def _read(self, payload: bytes) -> Answer:
        try:
            data = orjson.loads(payload)
            if "error" in data and not data.keys() & {"choices", "data"}:  # some gateways answer 200 with it inside
                raise ProviderError("server", redact(str(data["error"]), self._secrets))
            return self._read_data(data)
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
            raise ProviderError("server", f"not an answer of {self.path} ({type(error).__name__}: {error})") from None
