"""Spec of the steps that ask a model for labels: label, arbitrate, map."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rayjob.spec.base import SpecModel

Share = Annotated[float, Field(ge=0, le=1)]


class LabelStep(SpecModel):
    """Asks one model one question a row: the tags of some dimensions."""

    name: str | None = Field(default=None, description="Name in plans, calls and failures.")
    dimensions: tuple[str, ...] = Field(min_length=1, description="Dimensions of the taxonomy that this call answers.")
    model: str = Field(description="Name of a model of this spec.")
    also_ask: tuple[str, ...] = Field(
        default=(), description="More models that are asked the same; the majority is the label, ties go to `model`."
    )
    prompt: str = Field(description="Jinja template of the messages, relative to the spec.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Overrides the model's.")
    max_tokens: int | None = Field(default=None, ge=1, description="Overrides the model's.")
    tags: Literal["aliases", "exact"] = Field(
        default="aliases",
        description="`aliases`: other spellings and tags of other dimensions are understood; `exact`: ids only.",
    )
    confidence: Literal["self", "samples", "models", "logprobs"] = Field(
        default="self",
        description="Where confidence comes from: the model's word, agreement of samples, agreement of the models "
        "(`also_ask`), token probabilities.",
    )
    samples: int = Field(default=1, ge=1, le=25, description="Answers drawn per row; the majority is the label.")

    @model_validator(mode="after")
    def _samples_suffice(self) -> LabelStep:
        if self.confidence == "samples" and self.samples < 2:
            raise ValueError("confidence: samples needs samples: 2 or more")
        if self.confidence == "models" and not self.also_ask:
            raise ValueError("confidence: models needs also_ask: one model or more")
        if len(set(self.models)) < len(self.models):
            raise ValueError("a model stands twice in model and also_ask; samples asks one model several times")
        if len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError("a dimension stands twice in dimensions")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is asked."""
        return (self.model, *self.also_ask)

    @property
    def by_agreement(self) -> bool:
        """Whether confidence is how far answers agree."""
        return self.confidence in ("samples", "models")


class When(SpecModel):
    """Which answers are asked again: those that meet any of the conditions."""

    confidence_below: Share | dict[str, Share] | Literal["calibrated"] = Field(
        default=0.65,
        description="Threshold, one per dimension (others are not looked at), or `calibrated`: those of the "
        "calibration file. No confidence is not low.",
    )
    disagreement: bool = Field(
        default=False, description="Also where the samples or models of the label step did not all agree."
    )
    any: bool = Field(default=False, description="Every dimension, whatever its confidence.")


class MajorityOf(SpecModel):
    """The majority of n answers, the first one among them; a tie keeps the first."""

    majority_of: int = Field(ge=3, le=25, description="Answers in all, the first one included.")


class ArbitrateStep(SpecModel):
    """Asks again about the dimensions whose answer is doubtful, and only about those."""

    name: str | None = Field(default=None, description="Name in plans, calls and failures.")
    when: When = Field(default=When(), description="What makes an answer doubtful.")
    dimensions: tuple[str, ...] | None = Field(default=None, description="Only these; default: all that are labelled.")
    model: str | None = Field(
        default=None, description="Name of the model that decides; default: that of the label step."
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default: the deciding model's.")
    accept: Literal["if_higher", "always"] | MajorityOf = Field(
        default="if_higher", description="When the second answer replaces the first."
    )
    rebuild: bool = Field(
        default=True, description="Ask label steps again whose prompt reads a label that arbitration changed."
    )
    record: Literal["all", "first"] = Field(
        default="all", description="Whose issues and unmapped tags are kept: of all answers, or of the first alone."
    )


class MapStep(SpecModel):
    """Offers unmapped tags to a model beside the nearest tags of the pools: one of them, or a suggestion."""

    name: str | None = Field(default=None, description="Name in plans, calls and failures.")
    unmapped_with: str = Field(description="Name of the model that maps.")
    prompt: str | None = Field(default=None, description="Jinja template over `unmapped`; default: one of our own.")
    candidates: int = Field(default=8, ge=1, le=50, description="Pool tags shown for each unmapped one.")
    max_tags: int = Field(default=20, ge=1, le=200, description="Unmapped tags asked about per row; the rest stay.")
