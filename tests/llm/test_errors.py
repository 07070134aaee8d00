"""The table of failures: complete, documented, and right about what providers say. Secrets stay out."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from rayjob.labels.asking import FAILURE_KINDS
from rayjob.llm.errors import BACKOFF_CAP_S, REACTIONS, backoff_s, kind_of_status, read_retry_after, redact

DOCS = Path(__file__).resolve().parents[2] / "docs" / "limits.md"


def test_every_failure_of_a_call_has_a_reaction() -> None:
    assert set(REACTIONS) == set(FAILURE_KINDS) - {"unreadable", "empty"}  # those two happen before any call


def test_the_documented_table_is_the_table() -> None:
    rows = re.findall(
        r"^\| (\w+) \| .* \| (\d+) \| (\S+)(?: s)? \| (\w+) \| (\S+) \| (\S+) \|$", DOCS.read_text(), re.MULTILINE
    )
    told = {kind: (int(sent), pause, signal, fallback, sweep) for kind, sent, pause, signal, fallback, sweep in rows}
    assert told == {
        kind: (
            reaction.attempts,
            str(reaction.backoff_s) if reaction.backoff_s else "-",
            reaction.signal.value,
            "yes" if reaction.fallback else "-",
            "yes" if reaction.transient else "-",
        )
        for kind, reaction in REACTIONS.items()
    }


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (429, "Rate limit reached for gpt-4o in organization", "overload"),
        (429, "You exceeded your current quota, please check your plan and billing details", "auth"),
        (402, "Insufficient Balance", "auth"),
        (400, "Your credit balance is too low to access the Anthropic API", "auth"),
        (401, "Incorrect API key provided", "auth"),
        (403, "Country not supported", "auth"),
        (529, "overloaded_error", "overload"),
        (503, "The engine is currently overloaded, please try again later", "overload"),
        (503, "Service Unavailable", "server"),
        (500, "context length of the universe", "server"),
        (504, "Gateway Timeout", "server"),
        (408, "", "timeout"),
        (400, "This model's maximum context length is 65536 tokens. However, you requested 70000", "context"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "context"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed", "context"),
        (413, "Request Entity Too Large", "context"),
        (
            400,
            "The response was filtered: it triggered Azure OpenAI's content management policy",
            "filtered",
        ),
        (400, "Content Exists Risk", "filtered"),
        (400, "Unsupported value: 'temperature'", "bad_request"),
        (404, "The model `x` does not exist", "bad_request"),
        (422, "Unprocessable", "bad_request"),
    ],
)
def test_what_providers_say(status: int, text: str, kind: str) -> None:
    assert kind_of_status(status, text) == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_backoff_is_full_jitter_within_bounds() -> None:
    rng = random.Random(0)
    for tried in range(1, 12):
        waits = [backoff_s("overload", tried, None, rng) for _ in range(300)]
        ceiling = min(BACKOFF_CAP_S, 2.0**tried)
        assert 0 <= min(waits) < 0.05 * ceiling
        assert 0.95 * ceiling < max(waits) <= ceiling
    assert all(30 <= backoff_s("overload", 1, 30.0, rng) <= 37.5 for _ in range(50))


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "sk-ant-api03-abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "Bearer abcdefghijk",
        "hf_abcdefghijklmnop",
    ],
)
def test_keys_are_redacted_by_their_shape(secret: str) -> None:
    text = redact(f"Incorrect API key provided: {secret}. See the docs.")
    assert secret not in text
    assert text.endswith("See the docs.")


def test_known_keys_are_redacted_whatever_they_look_like() -> None:
    assert redact("denied for hunter2!", ["hunter2", ""]) == "denied for [redacted]!"
    assert len(redact("x" * 9000)) == 500
