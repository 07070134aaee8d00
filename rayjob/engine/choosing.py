"""The stages that compare reasonings: pairs of the whole table, training in one task, judging on a pool of actors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.choice.errors import ChoiceError
from rayjob.engine.embedding import pool_of
from rayjob.engine.judging import JudgePart, JudgeWork, choice_row
from rayjob.engine.parts import PLACE, Part, list_parts
from rayjob.engine.ticker import RowCounter
from rayjob.plan.graph import Stage
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.choice import ChooseStep, PairStep, TrainChoiceStep
from rayjob.steps.pair import Pair
from rayjob.store import files
from rayjob.store.formats import read_records
from rayjob.store.parquetwrite import write_parquet
from rayjob.store.runfolder import RunFolder

if TYPE_CHECKING:
    from rayjob.choice.fold import TrainSettings
    from rayjob.engine.run import Run

Row = dict[str, Any]
#: Seconds between two looks whether a training is done, or the run is to end.
LOOK_S = 0.5


class Choosing:
    """One run's choice stages; each does what is not done yet."""

    def __init__(self, run: Run) -> None:
        self.run, self.job, self.folder = run, run.job, run.folder
        self.names = {step.kind: stage.name for stage in run.request.plan.stages for step in stage.steps()}

    def settings(self, kind: str) -> Any:
        """The settings of the spec's step of this kind."""
        return self.job.steps_of(kind)[0].settings

    def source(self) -> str:
        """The stage whose rows are compared: what was generated, else what was prepared."""
        return self.names.get("generate", self.names["prepare"])

    def stages(self) -> Mapping[str, Callable[[Stage], None]]:
        """What runs a stage, by the kind of its step."""
        return {
            "generate": self.generate, "pair": self.pair, "train_choice": self.train, "choose": self.choose,
        }  # fmt: skip

    def generate(self, stage: Stage) -> None:
        """Competing reasonings by LLM, into files of their own: they are no labels yet."""
        assert self.run.prepared is not None
        self.run.label_rows(stage, self.run.prepared.path, self.run.prepared.rows, self.run.prepared.heirs)

    def pair(self, stage: Stage) -> None:
        """Pairs of one question, for training."""
        if self.run.is_done(stage):
            return
        self.run.say("building pairs")
        spec: PairStep = self.settings("pair")
        pairs = Pair(spec)([choice_row(row) for row in stage_rows(self.folder, self.source())])
        if not pairs:
            message = "no question has a correct and an incorrect reasoning; do the rows have `correct`: true or false?"
            raise SpecError([Problem(f"stage {stage.name}", 0, "", message)])
        write_parquet(self.folder.at("stages", stage.name, "pairs.parquet"), pa.Table.from_pylist(pairs))
        self.run.finish_stage(stage, {"pairs": len(pairs)})

    def train(self, stage: Stage) -> None:
        """Weights and card, in a task of their own: torch is not loaded here, and a GPU is held only meanwhile."""
        if self.run.is_done(stage):
            return
        spec: TrainChoiceStep = self.settings("train_choice")
        work = TrainWork(spec, self.folder.path, self.source(), self.names.get("pair", ""))
        gpus = 1 if spec.finetune is not None and self.run.ray.cluster_resources().get("GPU") else 0
        task = self.run.ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(train)
        with self.run.telling("training"):
            failed = self._until_trained(task.remote(work))
        if failed is None:
            return
        if failed:
            self.run.log.write("note", message=f"guards that the model failed: {', '.join(failed)}; see card.md")
        self.run.finish_stage(stage, {"model": self.folder.at(spec.path, "model.safetensors")})

    def _until_trained(self, training: Any) -> list[str] | None:
        """The guards that failed; None where the run was told to end. What is trained by then is kept, member by
        member, and the next session goes on with it."""
        while not self.run.ray.wait([training], timeout=LOOK_S)[0]:
            if self.run.why:
                self.run.ray.cancel(training, force=True)
                return None
        return list(self.run.ray.get(training))

    def choose(self, stage: Stage) -> None:
        """Verdicts, part by part, into labels/ and failures/."""
        if self.run.is_done(stage):
            return
        spec: ChooseStep = self.settings("choose")
        parts = list_parts(self.folder, self.source(), stage.name)
        work = JudgeWork(spec, tuple(parts), self.folder.path, stage.name, self._weights(stage, spec))
        left = [part for part in parts if not files.exists(self.folder.at(work.marker(part)))]
        counter = RowCounter(sum(part.rows for part in parts))
        counter.add(counter.total - sum(part.rows for part in left))
        with self.run.telling("choosing", counter):
            self._judge(work, left, counter)
        if not self.run.why:
            self.run.finish_stage(stage, {"rows": counter.total})

    def _judge(self, work: JudgeWork, left: Sequence[Part], counter: RowCounter) -> None:
        if not left:
            return
        pool = pool_of(self.run.ray.cluster_resources(), self.job.run.gpus_per_actor, len(left))
        numbers = [{"item": part.number} for part in left]
        judged = self.run.ray.data.from_items(numbers, override_num_blocks=len(left)).map_batches(
            JudgePart, fn_constructor_args=(work,), batch_size=1, num_cpus=pool.cpus, num_gpus=pool.gpus,
            compute=self.run.ray.data.ActorPoolStrategy(size=pool.actors),
        )  # fmt: skip
        for done in judged.iter_rows():
            if done["refused"]:
                raise ChoiceError(done["refused"])
            counter.add(done["rows"])
            if self.run.why:
                return

    def _weights(self, stage: Stage, spec: ChooseStep) -> str:
        where = spec.weights
        if where is None and "train_choice" in self.names:
            where = self.folder.at(self.settings("train_choice").path, "model.safetensors")
        if where is None or not files.exists(where):
            message = f"no weights at {where}; run the spec with `train_choice` first" if where else NO_WEIGHTS
            raise SpecError([Problem(f"stage {stage.name}", 0, "weights", message)])
        return where


NO_WEIGHTS = "missing: give model.safetensors of a training, or add a `train_choice` step"


@dataclass(frozen=True, slots=True)
class TrainWork:
    """What the training task needs. `rows` and `pairs` name stages; `pairs` may be empty."""

    spec: TrainChoiceStep
    output: str
    rows: str
    pairs: str


class ModelFiles:
    """`rayjob.choice.train.Files` in a folder of the run."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None where there is none."""
        where = f"{self.uri}/{name}"
        return files.read_bytes(where) if files.exists(where) else None

    def write(self, name: str, data: bytes) -> None:
        """The file, whole or absent."""
        files.write_atomic(f"{self.uri}/{name}", data)


def train(work: TrainWork) -> list[str]:
    """Train (or go on where a killed training was); returns the guards that the model failed."""
    from rayjob.choice.corpus import read_corpus
    from rayjob.choice.train import train as train_model
    from rayjob.steps.train_choice import TrainChoice, training_rows

    spec, folder = work.spec, RunFolder(work.output)
    settings = train_settings(spec)
    other = {
        name: read_corpus(training_rows(file_rows(given.path)), file_rows(given.pairs) if given.pairs else None)
        for name, given in spec.others().items()
    }
    rows = [choice_row(row) for row in stage_rows(folder, work.rows)]
    pairs = file_rows(spec.pairs) if spec.pairs else stage_rows(folder, work.pairs) if work.pairs else None
    target = ModelFiles(folder.at(spec.path))
    card = TrainChoice(spec, lambda known, given: train_model(known, given, settings, target, other))(rows, pairs)
    return list(card.failed)


def train_settings(spec: TrainChoiceStep) -> TrainSettings:
    """The step's settings as `rayjob.choice` takes them."""
    from rayjob.choice.finetune import TuneSettings
    from rayjob.choice.fit import FitSettings
    from rayjob.choice.fold import TrainSettings

    tune = None if spec.finetune is None else TuneSettings(encoder=spec.encoder, **spec.finetune.model_dump())
    return TrainSettings(
        spec.seeds, spec.folds, spec.tested, spec.siblings, FitSettings(epochs=spec.epochs), spec.architecture,
        spec.encoder, tune,
    )  # fmt: skip


def stage_rows(folder: RunFolder, stage: str) -> list[Row]:
    """All rows of a stage, in the order of source, row and turn where they have it."""
    found: list[Row] = []
    for uri in folder.parquet(f"stages/{stage}"):
        with files.open_input(uri) as source:
            found += pq.read_table(source).to_pylist()
    is_sample = bool(found) and PLACE[0] in found[0]  # pairs are in the order they were built in
    return sorted(found, key=lambda row: tuple(row[name] for name in PLACE)) if is_sample else found


def file_rows(uri: str) -> list[Row]:
    """The records of a file. Raises StoreError; a record that is none is left out."""
    return [record.value for record in read_records(uri, None) if isinstance(record.value, dict)]
