"""Every way a call can fail and the reaction to it, in one table. Knows no provider library."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Signal(StrEnum):
    """What an outcome tells the governor about the provider."""

    OK = "ok"  # it answered, whatever we think of the answer
    REFUSED = "refused"  # too much, too fast
    FAILED = "failed"  # broken or unreachable
    DENIED = "denied"  # no key, no money: asking again changes nothing


@dataclass(frozen=True, slots=True)
class Reaction:
    """How often a question is sent in all when it fails this way, how long between, and what else happens.

    `fallback`: the model's `fallback` may answer instead. `transient`: the final sweep tries these rows again.
    """

    attempts: int
    signal: Signal
    backoff_s: float = 0.0
    fallback: bool = False
    transient: bool = False


#: The table. docs/limits.md shows it to users; tests/llm/test_errors.py keeps the two equal.
REACTIONS: Mapping[str, Reaction] = MappingProxyType(
    {
        "timeout": Reaction(3, Signal.FAILED, backoff_s=1.0, fallback=True, transient=True),
        "overload": Reaction(10, Signal.REFUSED, backoff_s=1.0, fallback=True, transient=True),
        "server": Reaction(5, Signal.FAILED, backoff_s=0.5, fallback=True, transient=True),
        "connection": Reaction(6, Signal.FAILED, backoff_s=0.5, fallback=True, transient=True),
        "unparsable": Reaction(2, Signal.OK, fallback=True),  # the second is the repair question
        "truncated": Reaction(2, Signal.OK, fallback=True),  # once more with twice the max_tokens
        "filtered": Reaction(2, Signal.OK, fallback=True),  # once more with Question.plain, where there is one
        "context": Reaction(2, Signal.OK, fallback=True),  # once more with Question.shorter, where there is one
        "bad_request": Reaction(1, Signal.OK, fallback=True),
        "auth": Reaction(12, Signal.DENIED, backoff_s=0.5, transient=True),  # five in a row stop the run before
        "budget": Reaction(1, Signal.OK),
        "internal": Reaction(1, Signal.OK),
    }
)
BACKOFF_CAP_S = 60.0


class ProviderError(Exception):
    """A call that brought no usable answer: kind (of REACTIONS), a redacted message, and the wait asked for, if any."""

    def __init__(self, kind: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s


class RunStoppedError(Exception):
    """The run must stop: budget, auth or a dead provider. The row that meets it stays undone, it did not fail."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


# Providers share no error codes for these; the phrases are those of OpenAI, Azure, Anthropic, Gemini, DeepSeek, vLLM.
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|limit)|maximum context|prompt is too long|too many (input )?tokens"
    r"|input.{0,20}too long|input token count.{0,60}exceeds|reduce the length",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content.?(filter|policy|management)|safety (system|setting)|responsibleai|content exists risk"
    r"|data_inspection_failed",
    re.IGNORECASE,
)
_BILLING = re.compile(
    r"insufficient.?(quota|balance|fund|credit)|billing|credit balance|payment required", re.IGNORECASE
)
_OVERLOAD = re.compile(r"overloaded|at capacity|too many requests|slow ?down", re.IGNORECASE)
_EXACT = {401: "auth", 402: "auth", 403: "auth", 408: "timeout", 429: "overload", 529: "overload", 413: "context"}


def kind_of_status(status: int, text: str) -> str:
    """The failure kind of an HTTP error status and its body."""
    if status in (403, 429) and _BILLING.search(text):
        return "auth"
    if status in (400, 403, 422) and _FILTER.search(text):
        return "filtered"
    if status in _EXACT:
        return _EXACT[status]
    if status >= 500:
        return "overload" if status == 503 and _OVERLOAD.search(text) else "server"
    if _CONTEXT.search(text):
        return "context"
    return "auth" if _BILLING.search(text) else "bad_request"


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait (Retry-After, or OpenAI's retry-after-ms); a date is not read."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name) or headers.get(name.title()) or ""
        if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
            return float(text) * unit
    return None


def backoff_s(kind: str, tried: int, retry_after_s: float | None, rng: random.Random) -> float:
    """Exponential back-off with full jitter (Brooker, AWS Architecture Blog 2015), never under what was asked for."""
    ceiling = min(BACKOFF_CAP_S, REACTIONS[kind].backoff_s * 2**tried)
    wait = rng.uniform(0.0, ceiling)
    # Spread what was refused together over a quarter more than was asked for, or it comes back together.
    return wait if retry_after_s is None else max(wait, min(retry_after_s, BACKOFF_CAP_S) * rng.uniform(1.0, 1.25))


_KEY_SHAPES = re.compile(r"\b(sk|pk|rk|key|gsk|hf|AIza|AKIA|ASIA)[-_]?[A-Za-z0-9_\-]{12,}|(?i:bearer\s+)\S{8,}")


def redact(text: str, secrets: Iterable[str] = (), limit: int = 500) -> str:
    """The text without the keys in it, known ones and whatever is shaped like one, and not longer than `limit`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    return _KEY_SHAPES.sub("[redacted]", text)[:limit]
