"""Spec of the steps that ask which of two or more reasonings is better: generate, pair, train_choice, choose."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from rayjob.spec.base import SpecModel

#: The label of a row where `choose` abstains.
ABSTAINED = "abstain"


class GenerateStep(SpecModel):
    """Makes competing reasonings for each row by LLM."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    model: str = Field(description="The model, by its name in `models`, that writes the reasonings.")
    mode: Literal["samples", "sides"] = Field(
        default="samples",
        description="samples: n independent answers with their reasoning. sides: one reasoning for the row's answer "
        "and one against it, in the same register.",
    )
    samples: int = Field(default=4, ge=1, le=64, description="How many answers a row gets; for `sides`, of each side.")
    temperature: float = Field(default=0.8, ge=0, le=2, description="Draws of one question differ only above 0.")
    prompt: str = Field(
        description="The template: prompts/choice/samples.j2 or prompts/choice/sides.j2, or one of your own. It reads "
        "query and answer, and in mode sides metadata.side (for or against)."
    )
    keep: bool = Field(default=True, description="Whether the row's own reasoning and answer are a candidate too.")
    retries: int = Field(default=1, ge=0, le=5, description="Asked again where words of judgement slipped in.")


class PairStep(SpecModel):
    """Builds pairs of a correct and an incorrect reasoning of one question."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    per_question: int | None = Field(default=6, ge=1, description="Most pairs a question; null: all.")
    balance: bool = Field(
        default=True, description="Where models' strengths are known, the weaker one is right in half of the pairs."
    )
    seed: int = Field(default=0, ge=0, description="Another seed draws other pairs and another order in them.")


class FinetuneSpec(SpecModel):
    """Fine-tunes a small sentence encoder beside the features; minutes on a GPU, small runs only on a CPU."""

    epochs: int = Field(default=3, ge=1, le=100, description="Most epochs; the best on the validation fold is kept.")
    batch: int = Field(default=32, ge=1, le=4096, description="Pairs in a step.")
    rate: float = Field(default=5e-5, gt=0, le=1, description="Highest learning rate.")
    max_tokens: int = Field(
        default=384, ge=16, le=8192, description="Tokens of question and reasoning; a longer one loses its middle."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU where there is one.")


class OtherRows(SpecModel):
    """Rows of another domain, and which of their pairs are scored."""

    path: str = Field(description="File of rows.")
    pairs: str | None = Field(default=None, description="A file of ready pairs {qid, good, bad}; default: all pairs.")


class TrainChoiceStep(SpecModel):
    """Trains the classifier and writes model.safetensors, card.json and card.md."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    path: str = Field(default="choice", description="Folder of the weights and the card, under the run's output.")
    pairs: str | None = Field(default=None, description="A file of ready pairs {qid, good, bad}; default: all pairs.")
    architecture: Literal["symmetric", "dual"] = Field(
        default="symmetric",
        description="dual: the original's network on vectors (the rows' `vector`, else of `encoder`), to compare with; "
        "not symmetric.",
    )
    encoder: str = Field(
        default="offline",
        description="Sentence encoder that `finetune` starts from and `dual` embeds with: offline, a folder or a name.",
    )
    finetune: FinetuneSpec | None = Field(
        default=None, description="Also fine-tune the encoder; its scores are weighed against the features'."
    )
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1, description="Independent splits; the first ships.")
    folds: int = Field(
        default=5, ge=3, le=20, description="Folds by question: one tested, the others validate in turn."
    )
    tested: int = Field(default=1, ge=1, le=20, description="Folds held out in turn per seed.")
    siblings: int = Field(default=4, ge=0, le=64, description="Other answers per pair in sibling mode; 0: none.")
    epochs: int = Field(default=15, ge=1, le=1000, description="Most epochs; the best on the validation fold is kept.")
    other: dict[str, str | OtherRows] = Field(
        default={}, description="Other domains to score on, never to train on: name → file of rows, or {path, pairs}."
    )

    def others(self) -> dict[str, OtherRows]:
        """`other` in its long form, by name."""
        given = sorted(self.other.items())
        return {name: OtherRows(path=value) if isinstance(value, str) else value for name, value in given}

    @model_validator(mode="after")
    def _folds_fit(self) -> Self:
        if self.tested > self.folds:
            raise ValueError(f"tested: {self.tested} of {self.folds} folds; test at most as many as there are")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: the same seed twice gives the same split twice; name each once")
        if self.finetune is not None and self.architecture == "dual":
            raise ValueError("finetune belongs to architecture symmetric: dual reads fixed vectors")
        return self


class ChooseStep(SpecModel):
    """Judges the candidates of each row with trained weights."""

    name: str | None = Field(default=None, description="Name in plans and failures.")
    weights: str | None = Field(
        default=None, description="model.safetensors of a training; default: that of this spec's train_choice."
    )
    architecture: Literal["symmetric", "dual"] | None = Field(
        default=None, description="What the weights must be; dual also reads the original's .pth, tensors only."
    )
    dimension: str = Field(default="choice", min_length=1, description="The label's name in the output.")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU where there is one.")
    batch: int = Field(default=256, ge=1, le=65536, description="Rows judged at once.")
    reasons: int = Field(default=3, ge=0, le=20, description="Most features that `why` names for a choice; 0: none.")
    confidence: float | None = Field(
        default=None, ge=0.5, lt=1, description="Abstain below this probability that the winner beats the runner-up."
    )
    precision: float | None = Field(
        default=None, gt=0.5, lt=1, description="Abstain so that, on the card's held-out pairs, the share of right "
        "choices is at least this with 95 % certainty.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.confidence is not None and self.precision is not None:
            raise ValueError("confidence and precision both say where to abstain; keep one")
        return self
