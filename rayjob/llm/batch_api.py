"""A provider's batch API through LiteLLM: submit, look, fetch, cancel. Knows nothing of who waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from rayjob.llm.errors import ProviderError, kind_of_status, redact
from rayjob.llm.transport import Answer, read_completion
from rayjob.llm.via_litellm import close_clients, import_litellm, translated
from rayjob.spec.models import ModelSpec

ENDPOINT = "/v1/chat/completions"
DONE = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What the provider says of a batch."""

    id: str
    status: str
    output_file: str | None = None
    error_file: str | None = None
    message: str = ""

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come."""
        return self.status in DONE


class BatchApi:
    """The calls for one spec model. All raise ProviderError."""

    def __init__(self, spec: ModelSpec, env: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        self._litellm = import_litellm()
        provider, _, self._model = spec.model.partition("/")
        self._window = cast(Literal["24h"], spec.batch.window)
        self._secrets = tuple(secrets)
        self._fixed: dict[str, Any] = {"custom_llm_provider": provider, "max_retries": 0}
        if spec.api_base:
            self._fixed["api_base"] = spec.api_base
        if spec.api_key_env or spec.api_base:
            self._fixed["api_key"] = env.get(spec.api_key_env or "", "") or "none"

    async def submit(self, bodies: Mapping[str, Mapping[str, object]]) -> Batch:
        """Uploads the requests (body by id) and starts a batch of them."""
        lines = (
            {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": {"model": self._model, **body}}
            for name, body in bodies.items()
        )
        data = b"\n".join(orjson.dumps(line) for line in lines)
        file = await self._do("acreate_file", file=("questions.jsonl", data), purpose="batch")
        made = await self._do("acreate_batch", completion_window=self._window, endpoint=ENDPOINT, input_file_id=file.id)
        return _read_batch(made)

    async def look(self, batch_id: str) -> Batch:
        """The batch as it stands."""
        return _read_batch(await self._do("aretrieve_batch", batch_id=batch_id))

    async def cancel(self, batch_id: str) -> Batch:
        """Asks the provider to stop; what is answered by then is still delivered, and paid."""
        return _read_batch(await self._do("acancel_batch", batch_id=batch_id))

    async def fetch(self, batch: Batch) -> dict[str, Answer | ProviderError]:
        """What came of each request, by id; requests that a batch did not get to, or not legibly, are not in it."""
        found: dict[str, Answer | ProviderError] = {}
        for file_id in (batch.output_file, batch.error_file):
            if file_id:
                content = await self._do("afile_content", file_id=file_id)
                for line in content.content.splitlines():
                    with suppress(orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
                        name, answer = self._read_line(line)
                        found[name] = answer
        return found

    async def close(self) -> None:
        """Gives connections back."""
        await close_clients()

    def _read_line(self, line: bytes) -> tuple[str, Answer | ProviderError]:
        data = orjson.loads(line)
        response = data.get("response") or {}
        status, body = response.get("status_code"), response.get("body") or {}
        name = str(data["custom_id"])
        if status == 200:
            try:
                return name, read_completion(body)
            except (LookupError, TypeError, AttributeError) as error:
                return name, ProviderError("server", f"not a chat completion ({error})")
        text = orjson.dumps(body or data.get("error")).decode()
        return name, ProviderError(kind_of_status(status or 500, text), redact(f"{status}: {text}", self._secrets))

    async def _do(self, call: str, **fields: Any) -> Any:
        with translated(self._secrets):
            return await getattr(self._litellm, call)(**self._fixed, **fields)


def _read_batch(made: Any) -> Batch:
    errors = getattr(getattr(made, "errors", None), "data", None) or ()
    message = "; ".join(str(getattr(error, "message", error)) for error in errors)
    return Batch(made.id, made.status, made.output_file_id, made.error_file_id, message)
