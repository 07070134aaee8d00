"""JobSpec: what the user wrote, whole. Every step kind is named here once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from rayjob.spec.base import SpecModel
from rayjob.spec.choice import ChooseStep, GenerateStep, PairStep, TrainChoiceStep
from rayjob.spec.label import ArbitrateStep, LabelStep, MapStep
from rayjob.spec.models import BudgetSpec, LedgerSpec, ModelSpec
from rayjob.spec.prepare import InputSpec, PrepareStep
from rayjob.spec.spread import AskStep, ClusterStep, EmbedStep, PropagateStep, RepresentStep

#: The step kinds a spec may name, in the order of a pipeline.
STEP_KINDS: Mapping[str, type[SpecModel]] = {
    "prepare": PrepareStep,
    "label": LabelStep,
    "arbitrate": ArbitrateStep,
    "map": MapStep,
    "embed": EmbedStep,
    "cluster": ClusterStep,
    "represent": RepresentStep,
    "ask": AskStep,
    "propagate": PropagateStep,
    "generate": GenerateStep,
    "pair": PairStep,
    "train_choice": TrainChoiceStep,
    "choose": ChooseStep,
}


class RulesSpec(SpecModel):
    """Consistency rules: the file, and which labels they look at."""

    path: str = Field(description="YAML file of rules.")
    evaluate: Literal["final", "first_answer"] = Field(
        default="final", description="`final` labels, or those of the `first_answer`, before arbitration."
    )


class OutputSpec(SpecModel):
    """Where a run writes, and nowhere else (the ledger apart)."""

    path: str = Field(description="A folder, local or s3://; one run a folder.")
    rows_per_file: int | None = Field(default=None, ge=1, description="Rows a Parquet file; default: by table size.")


class ActorsSpec(SpecModel):
    """How many actors an LLM operator may have."""

    min: int = Field(default=1, ge=1, description="Actors kept even when idle.")
    max: int | None = Field(
        default=None,
        ge=1,
        description="Most actors; default: the CPUs at the start less three. As many start as calls in flight need: "
        "400 each over plain HTTP, 150 through LiteLLM.",
    )


class RunSpec(SpecModel):
    """How a run behaves, not what it answers: changing these changes no label."""

    actors: ActorsSpec = Field(default=ActorsSpec(), description="The pool of LLM actors.")
    gpus_per_actor: float = Field(default=1.0, ge=0, description="GPU share of one torch actor; 0: CPU.")
    max_failed: float | None = Field(
        default=None, ge=0, description="Stop early past this many failed rows; below 1: a share of the rows."
    )
    row_deadline_s: float = Field(default=900.0, gt=0, description="Seconds of calling one row may take.")
    grace_s: float = Field(default=20.0, ge=0, description="Seconds that calls in flight get after Ctrl-C.")
    stall_s: float = Field(default=120.0, gt=0, description="Silence after which the watchdog speaks.")
    governor: str = Field(default="", description="Name of a governor that several runs in one cluster share.")
    retry_sweep: bool = Field(default=True, description="Ask infrastructure failures once more at the end.")


class Step(SpecModel):
    """One entry of `steps`: its kind, its name (unique in the spec), and its settings."""

    kind: str
    name: str
    settings: SpecModel


class JobSpec(SpecModel):
    """One job: input, taxonomy, models, steps, output."""

    rayjob: Literal[1] = Field(description="Version of this grammar.")
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the job: letters, digits, . _ - without spaces."
    )
    input: InputSpec = Field(description="The conversations: a path, a list of paths, or {path, format, limit, …}.")
    taxonomy: str | None = Field(default=None, description="Folder of dimensions, one YAML file each.")
    models: Mapping[str, ModelSpec] = Field(default={}, description="LLMs by the name that steps use.")
    layout: Literal["per_step", "shared_prefix"] = Field(
        default="per_step",
        description="shared_prefix: label steps take NAME.shared.j2 beside their prompt, so that the calls of a row "
        "share all but the question; `rayjob plan` says whether that is cheaper.",
    )
    rules: RulesSpec | None = Field(default=None, description="Consistency rules: a path, or {path, evaluate}.")
    calibration: str | None = Field(default=None, description="calibration.yaml that `rayjob calibrate` wrote.")
    budget: BudgetSpec | None = Field(default=None, description="What the job may cost, and what then.")
    ledger: LedgerSpec | None = Field(
        default=None, description="Where paid answers are kept; default: `ledger/` in the output folder."
    )
    run: RunSpec = Field(default=RunSpec(), description="How the run behaves.")
    output: OutputSpec = Field(description="Where the results go: a folder, or {path, rows_per_file}.")
    steps: tuple[Step, ...] = Field(default=(), description="The pipeline; order comes from what steps read and write.")

    @field_validator("rules", mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("output", mode="before")
    @classmethod
    def _output_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("input", mode="before")
    @classmethod
    def _input_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str | list) else value

    def steps_of(self, kind: str) -> tuple[Step, ...]:
        """The steps of one kind, in the order written."""
        return tuple(step for step in self.steps if step.kind == kind)
