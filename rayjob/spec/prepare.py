"""The spec's `input:` and the step `prepare:`: what is read, and what of it becomes a sample."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rayjob.spec.base import SpecModel

InputFormat = Literal["auto", "sharegpt", "openai", "alpaca", "pangu", "reasoning", "parquet"]


class InputSpec(SpecModel):
    """The conversations to label."""

    path: str | list[str] = Field(
        description="A file, a folder or a glob (*, **, ?), local or s3://, or a list of them. "
        "Read: .json, .jsonl, .ndjson, .parquet; the JSON ones also as .gz and .zst."
    )
    format: InputFormat = Field(
        default="auto",
        description="What a record looks like. auto decides record by record; any other format refuses what is not it; "
        "parquet reads only Parquet files and decides by record.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="Read at most this many records, in the order of the files."
    )
    sample: float = Field(
        default=1.0, gt=0, le=1, description="Share of the records to take, the same ones every time."
    )
    seed: int = Field(default=0, description="Another seed takes another sample.")

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as a tuple, one or many."""
        return (self.path,) if isinstance(self.path, str) else tuple(self.path)


class TruncateSpec(SpecModel):
    """How long a transcript may be."""

    max_chars: int = Field(
        default=20_000,
        ge=2_000,
        description="Longest transcript in characters. The task, the question and the labelled reply are kept first.",
    )


class SparseSpec(SpecModel):
    """Which replies of a long conversation are labelled: the first `full`, then every `every`-th, and the last."""

    full: int = Field(default=10, ge=1, description="Label this many replies from the start.")
    every: int = Field(default=5, ge=2, description="After those, label every this many.")


class PrepareStep(SpecModel):
    """Records → samples: slicing, signals, reasoning taken out, transcripts cut to a budget."""

    name: str = Field(default="prepare", description="The step's name in failures and events.")
    slice: Literal["none", "last_turn", "every_reply"] = Field(
        default="none",
        description="none: one sample a conversation, labelled at its last reply. last_turn: the last question and its "
        "reply, without the history. every_reply: one sample for each assistant turn, with the history up to it.",
    )
    sparse: SparseSpec | None = Field(default=None, description="With every_reply: do not label every reply.")
    inherit: bool = Field(
        default=False,
        description="With sparse: replies that are skipped get the labels of the nearest labelled reply before them.",
    )
    truncate: TruncateSpec = Field(default=TruncateSpec(), description="How long a transcript may be.")

    @model_validator(mode="after")
    def _check_slicing(self) -> Self:
        if self.sparse and self.slice != "every_reply":
            raise ValueError(f"sparse chooses among replies: it needs slice: every_reply (found {self.slice})")
        if self.inherit and not self.sparse:
            raise ValueError("inherit is for the replies that sparse skips: it needs sparse: {full: 10, every: 5}")
        return self
