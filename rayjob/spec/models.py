"""The models, what may be asked of them, the budget and the ledger, as a spec says it. Holds no secret."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from rayjob.spec.base import SpecModel

#: What the client itself sets on a call; as extra `params` they would be ignored or leak a key.
RESERVED_PARAMS = frozenset(
    {"api_base", "api_key", "base_url", "messages", "model", "response_format", "stream", "temperature", "max_tokens"}
)


class LimitsSpec(SpecModel):
    """What a provider allows one key and model, over all actors of all runs that share the governor."""

    concurrency: int = Field(default=64, ge=1, description="Calls in flight.")
    rpm: float | None = Field(
        default=None, gt=0, description="Requests a minute; left out, it is learned from refusals."
    )
    tpm: float | None = Field(default=None, gt=0, description="Tokens a minute, prompt and completion together.")
    give_up_s: float = Field(
        default=600, gt=0, description="Stop the run (resumable) once a broken provider answered nothing for this long."
    )


class PriceSpec(SpecModel):
    """Dollars per million tokens; overrides LiteLLM's table."""

    input_usd_per_mtok: float = Field(default=0.0, ge=0, description="Prompt tokens.")
    output_usd_per_mtok: float = Field(default=0.0, ge=0, description="Tokens of the answer.")
    cached_input_usd_per_mtok: float | None = Field(
        default=None, ge=0, description="Prompt tokens that the provider had cached; left out, they cost as any other."
    )
    cache_write_usd_per_mtok: float | None = Field(
        default=None,
        ge=0,
        description="Prompt tokens written to its cache (Anthropic: 1.25 x); left out, as any other.",
    )


class BatchSpec(SpecModel):
    """How `mode: batch` collects questions. The wait for a batch (up to a day) counts in no timeout."""

    requests: int = Field(default=10_000, ge=1, le=50_000, description="Questions in one batch, and in flight.")
    wait_s: float = Field(default=60, gt=0, description="Submit what there is once no question came for this long.")
    poll_s: float = Field(default=60, gt=0, description="Between looks at a batch.")
    window: str = Field(default="24h", description="The provider's completion window.")
    discount: float = Field(default=0.5, ge=0, le=1, description="Share of the price that the provider takes off.")


class ModelSpec(SpecModel):
    """One model as the steps name it."""

    model: str = Field(min_length=1, description="LiteLLM's name: provider/model, or offline/lexical.")
    api_base: str | None = Field(default=None, pattern="^https?://", description="URL of a server of your own.")
    replicas: tuple[Annotated[str, Field(pattern="^https?://")], ...] = Field(
        default=(),
        description="Further servers of the same model beside api_base; the calls of a row share one, "
        "embedding requests take them in turn.",
    )
    api_key_env: str | None = Field(
        default=None,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="Variable that holds the key, never the key itself.",
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default: the provider's own.")
    max_tokens: int = Field(
        default=1000, ge=1, description="Longest answer; a truncated one is asked for again with twice it."
    )
    timeout_s: float = Field(default=120, gt=0, description="One call, waiting for capacity excluded.")
    deadline_s: float = Field(default=600, gt=0, description="One question with all its attempts, waiting excluded.")
    limits: LimitsSpec = Field(default=LimitsSpec(), description="What the provider allows.")
    price: PriceSpec | None = Field(default=None, description="Left out: LiteLLM's own table.")
    structured: Literal["auto", "schema", "json", "none"] = Field(
        default="auto", description="How the answer's form is asked for; auto: the strictest that the model takes."
    )
    transport: Literal["auto", "litellm", "direct"] = Field(
        default="auto", description="direct: plain HTTP to an OpenAI-compatible api_base, a tenth of the CPU."
    )
    mode: Literal["live", "batch"] = Field(
        default="live", description="batch: through the provider's batch API, at half the price within a day."
    )
    batch: BatchSpec = Field(default=BatchSpec(), description="With mode: batch, how questions are collected.")
    fallback: str | None = Field(
        default=None, description="Name of the model that gets the question when this one fails."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Extra parameters of the call, e.g. top_p, seed.")

    @property
    def is_offline(self) -> bool:
        """Whether rayjob answers itself (rayjob.llm.offline): free, without a network, on the actor's own CPU."""
        return self.model.startswith("offline/")

    @model_validator(mode="after")
    def check_replicas(self) -> ModelSpec:
        """They stand beside an api_base, and a batch is one server's."""
        if self.replicas and (self.api_base is None or self.mode == "batch"):
            raise ValueError("replicas are further servers beside api_base, where mode is live")
        return self

    @field_validator("params")
    @classmethod
    def refuse_reserved(cls, params: dict[str, Any]) -> dict[str, Any]:
        """Keys that the client sets itself have a field of their own or no business in a spec."""
        taken = sorted(RESERVED_PARAMS & params.keys())
        if taken:
            raise ValueError(
                f"{', '.join(taken)} cannot stand under params: use the field of that name (a key: api_key_env)"
            )
        return params


class UseSpec(SpecModel):
    """A budget's reaction: go on with a cheaper model."""

    use: str = Field(description="Name of the model that answers every further question.")


class BudgetSpec(SpecModel):
    """What this run may spend. The reactions before `stop` come at 80 % of it, evenly spread up to 100 %."""

    usd: float = Field(gt=0, description="Dollars that the run may spend, over all its sessions.")
    then: Annotated[tuple[Literal["skip_arbitration", "stop"] | UseSpec, ...], Field(min_length=1)] = Field(
        default=("stop",), description="What happens as it runs out, in order; `stop` last."
    )

    @field_validator("then")
    @classmethod
    def stop_last(cls, then: tuple[str | UseSpec, ...]) -> tuple[str | UseSpec, ...]:
        """Nothing can follow a stop."""
        if "stop" in then[:-1]:
            raise ValueError("stop can only stand last")
        return then


class LedgerSpec(SpecModel):
    """Where paid answers are kept. Runs that name the same path share them."""

    path: str = Field(min_length=1, description="A folder, local or s3://.")
    flush_s: float = Field(default=0.5, gt=0, le=60, description="Answers younger than this may be lost by a crash.")
