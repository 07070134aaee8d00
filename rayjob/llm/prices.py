"""What a token costs and what a model takes, from the table that LiteLLM ships, without importing LiteLLM."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import orjson

from rayjob.spec.models import ModelSpec

TABLE = "model_prices_and_context_window_backup.json"
_MTOK = 1_000_000
#: Providers that only wrap a server of the user's own: their models have no price and take a schema, as vLLM does.
OWN_SERVERS = frozenset({"hosted_vllm", "vllm", "openai", "openai_like", "custom_openai", "lm_studio", "llamafile"})


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per token. `known` is False where neither the spec nor the table has a price: then everything is free."""

    input_usd: float = 0.0
    cached_usd: float = 0.0
    output_usd: float = 0.0
    known: bool = False
    cache_write_usd: float = 0.0

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int, written_tokens: int = 0) -> float:
        """Dollars of one call; `prompt_tokens` includes those read from the provider's cache and those written to it.

        Anthropic asks 1.25 times the price for what it writes; most providers ask nothing more.
        """
        fresh = max(0, prompt_tokens - cached_tokens - written_tokens)
        read = fresh * self.input_usd + cached_tokens * self.cached_usd + written_tokens * self.cache_write_usd
        return read + completion_tokens * self.output_usd


@cache
def _table() -> Mapping[str, Mapping[str, object]]:
    spec = importlib.util.find_spec("litellm")  # finds, does not import
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / TABLE
        if path.is_file():
            loaded: dict[str, dict[str, object]] = orjson.loads(path.read_bytes())
            return loaded
    return {}


def find_entry(model: str) -> Mapping[str, object]:
    """LiteLLM's entry for a model string: its full name, else its name without the provider if the providers agree."""
    table = _table()
    if model in table:
        return table[model]
    provider, _, bare = model.partition("/")
    entry = table.get(bare, {}) if bare else {}
    return entry if entry.get("litellm_provider") == provider else {}


def prices_of(spec: ModelSpec) -> Prices:
    """The spec's own price, else LiteLLM's, else unknown and free; less the discount of a batch."""
    prices = _live_prices(spec)
    if spec.mode == "live":
        return prices
    share = 1.0 - spec.batch.discount
    per_token = {
        name: getattr(prices, name) * share for name in ("input_usd", "cached_usd", "output_usd", "cache_write_usd")
    }
    return replace(prices, **per_token)


def _live_prices(spec: ModelSpec) -> Prices:
    if spec.price is not None:
        price = spec.price
        fresh = price.input_usd_per_mtok / _MTOK
        cached, written = (
            fresh if usd is None else usd / _MTOK
            for usd in (price.cached_input_usd_per_mtok, price.cache_write_usd_per_mtok)
        )
        return Prices(fresh, cached, price.output_usd_per_mtok / _MTOK, known=True, cache_write_usd=written)
    entry = find_entry(spec.model)
    if "input_cost_per_token" not in entry:
        return Prices(known=spec.is_offline)
    fresh = _number(entry, "input_cost_per_token", 0.0)
    return Prices(
        fresh,
        _number(entry, "cache_read_input_token_cost", fresh),
        _number(entry, "output_cost_per_token", 0.0),
        known=True,
        cache_write_usd=_number(entry, "cache_creation_input_token_cost", fresh),
    )


def takes_schema(spec: ModelSpec) -> bool:
    """Whether `structured: auto` sends a JSON schema: the table says so, or it is a server of the user's own."""
    entry = find_entry(spec.model)
    if "supports_response_schema" in entry or "litellm_provider" in entry:
        return entry.get("supports_response_schema") is True
    return spec.is_offline or spec.model.partition("/")[0] in OWN_SERVERS


def _number(entry: Mapping[str, object], name: str, default: float) -> float:
    value = entry.get(name)
    return float(value) if isinstance(value, int | float) else default
