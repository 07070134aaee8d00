"""The smaller parts: breaker, latency experiments, prices, specs, counters."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rayjob.llm.breaker import LEAST_FAILURES, Breaker
from rayjob.llm.counters import BOUNDS_S, Histogram
from rayjob.llm.direct import DirectTransport, goes_direct
from rayjob.llm.prices import find_entry, prices_of, takes_schema
from rayjob.llm.slowness import CUT, Slowness
from rayjob.spec.models import BudgetSpec, ModelSpec


def opened(breaker: Breaker) -> Breaker:
    for _ in range(LEAST_FAILURES):
        breaker.fail(0.5, 1.0)
    return breaker


def test_a_broken_provider_is_probed_by_one_call_at_a_time() -> None:
    breaker = opened(Breaker(give_up_s=600))
    assert breaker.allow(50, 1.0) == (0, 2.0)
    assert breaker.allow(50, 3.5)[0] == 1
    assert breaker.allow(50, 3.6)[0] == 0
    breaker.fail(3.5, 4.0)
    assert breaker.allow(50, 7.9)[0] == 0  # twice as long now
    assert breaker.allow(50, 8.1)[0] == 1
    breaker.succeed(8.1)
    assert breaker.allow(50, 8.2) == (50, 0.0)


def test_calls_that_hang_while_others_are_answered_open_nothing() -> None:
    breaker = Breaker(give_up_s=600)
    breaker.succeed(10.0)
    for _ in range(50):
        breaker.fail(5.0, 35.0)
    assert not breaker.is_open


def test_giving_up_takes_as_long_as_the_spec_says() -> None:
    breaker = opened(Breaker(give_up_s=60))
    assert not breaker.given_up(60.0)
    assert breaker.given_up(62.0)


def feed(slowness: Slowness, latency_s: float, begin: float, seconds: float) -> list[float]:
    """Fifty answers a second of one latency; the factors judged once a second."""
    factors = []
    for second in range(int(seconds)):
        for i in range(50):
            slowness.add(latency_s, begin + second + i / 50)
        factors.append(slowness.judge(begin + second + 1, busy=True))
    return [factor for factor in factors if factor != 1.0]


def test_a_cut_that_helps_stays_and_one_that_does_not_is_undone() -> None:
    slowness = Slowness(0.0)
    assert feed(slowness, 1.0, 0, 20) == []
    assert feed(slowness, 3.0, 20, 4) == [CUT]
    assert slowness.forbids_growth
    assert feed(slowness, 2.2, 24, 20) == []  # it followed
    assert slowness.forbids_growth
    assert feed(slowness, 1.1, 44, 6) == []
    assert not slowness.forbids_growth
    assert feed(slowness, 3.0, 50, 4) == [CUT]
    assert feed(slowness, 3.0, 54, 13) == [1 / CUT]  # it did not: slow is normal now
    assert feed(slowness, 3.0, 67, 30) == []


@pytest.mark.parametrize(
    ("model", "known"), [("deepseek/deepseek-chat", True), ("openai/scripted", False), ("offline/lexical", True)]
)
def test_prices_from_the_shipped_table(model: str, known: bool) -> None:
    assert prices_of(ModelSpec(model=model)).known is known


def test_the_specs_price_counts_and_cached_tokens_have_their_own() -> None:
    price = {"input_usd_per_mtok": 2.0, "output_usd_per_mtok": 8.0, "cached_input_usd_per_mtok": 0.5}
    prices = prices_of(ModelSpec.model_validate({"model": "deepseek/deepseek-chat", "price": price}))
    assert prices.cost(1_000_000, 400_000, 100_000) == pytest.approx(1.2 + 0.2 + 0.8)


def test_names_are_looked_up_as_litellm_does() -> None:
    assert find_entry("openai/gpt-4o") == find_entry("gpt-4o") != {}
    assert find_entry("anthropic/gpt-4o") == {}
    assert takes_schema(ModelSpec(model="gpt-4o"))
    assert takes_schema(ModelSpec(model="hosted_vllm/mine"))
    assert not takes_schema(ModelSpec(model="gpt-3.5-turbo"))
    assert not takes_schema(ModelSpec(model="unheard_of/model"))


@pytest.mark.parametrize(
    ("fields", "direct"),
    [
        ({"model": "openai/x", "api_base": "http://h/v1"}, True),
        ({"model": "openai/gpt-4o"}, False),
        ({"model": "anthropic/x", "api_base": "http://h/v1"}, False),
        ({"model": "openai/x", "api_base": "http://h/v1", "transport": "litellm"}, False),
        ({"model": "deepseek/deepseek-chat", "transport": "direct"}, True),
    ],
)
def test_who_goes_direct(fields: dict[str, Any], direct: bool) -> None:
    assert goes_direct(ModelSpec.model_validate(fields)) is direct


def test_direct_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="set api_base"):
        DirectTransport(ModelSpec(model="anthropic/x", transport="direct"), {})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "m", "params": {"api_key": "x"}}, "cannot stand under params"),
        ({"model": "m", "api_key_env": "sk-proj-123"}, "pattern"),
        ({"model": "m", "api_base": "ftp://x"}, "pattern"),
        ({"model": "m", "temperature": 3}, "less than or equal to 2"),
        ({"model": "m", "limits": {"concurrency": 0}}, "greater than or equal to 1"),
        ({"model": "m", "key": "x"}, "Extra inputs"),
    ],
)
def test_specs_that_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSpec.model_validate(fields)


def test_nothing_follows_a_stop() -> None:
    with pytest.raises(ValidationError, match="stop can only stand last"):
        BudgetSpec.model_validate({"usd": 1, "then": ["stop", "skip_arbitration"]})


def test_histograms_count_by_bound() -> None:
    histogram = Histogram()
    for seconds in (0.01, 0.05, 0.3, 1e9):
        histogram.add(seconds)
    assert (histogram.counts[0], histogram.counts[3], histogram.counts[-1]) == (2, 1, 1)
    assert len(histogram.counts) == len(BOUNDS_S) + 1
