"""The stages that label few rows and spread to many, in their order. What is computed stands in steps and vectors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rayjob.engine.answering import Answering
from rayjob.engine.bought import Bought, read_bought, read_chosen, write_chosen
from rayjob.engine.embed_stage import EmbedStage
from rayjob.engine.parts import Part, list_parts, write_subset
from rayjob.engine.spread_blocks import SpreadWork, margin_part, spread_part
from rayjob.engine.spread_report import write_summary
from rayjob.engine.spread_table import SpreadTable, open_table
from rayjob.engine.ticker import RowCounter
from rayjob.plan.graph import Stage
from rayjob.spec.spread import AskStep, ClusterStep, EmbedStep, PropagateStep, RepresentStep
from rayjob.steps.cluster import Cluster
from rayjob.steps.propagate import Propagate, Spreader
from rayjob.steps.represent import Represent
from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet
from rayjob.vectors.represent import Chosen, join_chosen

if TYPE_CHECKING:
    from rayjob.engine.run import Run

LABELLING = frozenset({"label", "arbitrate", "map"})


class Spreading:
    """One run's spreading: every method is a stage, does what is not done yet, and ends early when the run does."""

    def __init__(self, run: Run) -> None:
        self.run, self.job, self.folder = run, run.job, run.folder
        self.resolved = run.request.resolved
        self.scratch = tempfile.TemporaryDirectory(prefix="rayjob-vectors-")
        self.names = {kind: stage.name for stage in run.request.plan.stages for kind in _kinds(stage)}
        self.answering = Answering(run, self)

    def stages(self) -> Mapping[str, Callable[[Stage], None]]:
        """What runs a stage, by the kind of its steps."""
        return {
            "embed": self.embed, "cluster": self.cluster, "represent": self.represent, "ask": self.ask,
            "propagate": self.propagate, "label": self.label,
        }  # fmt: skip

    def settings(self, kind: str) -> Any:
        """The settings of the spec's step of this kind; defaults where it is left out."""
        found = self.job.steps_of(kind)
        return found[0].settings if found else DEFAULTS[kind]()

    def representing(self) -> Represent:
        """The represent step of this spec."""
        alone = len(self.answering.dimensions) == 1
        return Represent(self.settings("represent"), alone and self.settings("ask").source != "sheet")

    @cached_property
    def parts(self) -> list[Part]:
        """The prepared rows in parts."""
        return list_parts(self.folder, self.names["prepare"], self.names["embed"])

    @cached_property
    def table(self) -> SpreadTable:
        """The vectors of the whole table."""
        self.run.say("reading vectors")
        return open_table(self._vector_files(), os.path.join(self.scratch.name, "vectors.npy"))

    def _vector_files(self) -> list[str]:
        return [self.folder.at("stages", self.names["embed"], f"{part.name}.parquet") for part in self.parts]

    def embed(self, stage: Stage) -> None:
        """Vectors of every row that could be read; the others go to failures/."""
        if not self.run.is_done(stage):
            EmbedStage(self.run, self.settings("embed"), tuple(self.parts)).execute(stage)

    def cluster(self, stage: Stage) -> None:
        """A cluster for each row, in the table's order."""
        if self.run.is_done(stage):
            return
        with self.run.telling(f"clustering {len(self.table):,} rows"):
            found = Cluster(self.settings("cluster"))(self.table.vectors)
        columns = pa.table({"uid": self.table.uids, "cluster": found.labels})
        write_parquet(self.folder.at("stages", stage.name, "clusters.parquet"), columns)
        scores = {"silhouette": found.silhouette, "dbcv": found.dbcv}
        facts = {"clusters": len(found.sizes), "outliers": found.outliers, "algorithm": found.algorithm}
        told = {name: None if np.isnan(score) else round(score, 4) for name, score in scores.items()}
        self.run.finish_stage(stage, {**facts, **told})

    @cached_property
    def clusters(self) -> np.ndarray[Any, np.dtype[np.int32]] | None:
        """(n,) clusters; None where the spec has no cluster step."""
        if "cluster" not in self.names:
            return None
        with files.open_input(self.folder.at("stages", self.names["cluster"], "clusters.parquet")) as source:
            found: np.ndarray[Any, np.dtype[np.int32]] = pq.read_table(source)["cluster"].to_numpy()
        return found

    def represent(self, stage: Stage) -> None:
        """The rows that the first round asks about."""
        if not self.run.is_done(stage):
            clusters, vectors = None if self.clusters is None else self.clusters.astype(np.int64), self.table.vectors
            with self.run.telling("choosing representatives"):
                chosen = self.representing().first(vectors, clusters)
            write_chosen(self._round_file(0), chosen, self.table)
            self.run.finish_stage(stage, {"chosen": len(chosen.rows), "audit": int(chosen.is_audit.sum())})

    def label(self, stage: Stage) -> None:
        """The label steps: over the first representatives, or (behind `propagate`) over the rows that were sent on."""
        if "ask" in self.names and self.settings("ask").source == "label":
            self.answering.label_round(0)
        else:
            self.label_rest(stage)

    def ask(self, stage: Stage) -> None:
        """Labels of the representatives, and the rounds after the first."""
        chosen: list[Chosen] = []
        rounds = self.representing().rounds(len(self.table))
        for number in range(len(rounds)):
            found = self.chosen(number) or self._choose(number, join_chosen(chosen))
            chosen.append(found)
            self.answering.answer(number)
            if self.run.why:
                return

    def chosen(self, number: int) -> Chosen | None:
        """The rows of a round, if it has been chosen."""
        return read_chosen(self._round_file(number))

    def _round_file(self, number: int) -> str:
        return self.folder.at("stages", self.names["represent"], f"round-{number}.parquet")

    def _choose(self, number: int, before: Chosen) -> Chosen:
        bought, vectors = self.bought(), self.table.vectors
        with self.run.telling(f"round {number + 1}: where is doubt greatest"):
            fitted = self._fit(bought)
            margin = self._margins(fitted)
            found = self.representing().later(vectors, margin, before, number)
        write_chosen(self._round_file(number), found, self.table)
        return found

    def _margins(self, fitted: Spreader) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(n,) of the whole table, a task a part."""
        ray = self.run.ray
        spreader, margin = ray.put(fitted), ray.remote(num_cpus=1)(margin_part)
        return np.concatenate(ray.get([margin.remote(uri, spreader) for uri in self._vector_files()]))

    def bought(self) -> Bought:
        """Everything bought so far."""
        return read_bought(self.folder, self.table, self._rounds(), self.answering.dimensions)

    def _rounds(self) -> list[Chosen]:
        rounds: list[Chosen] = []
        while (found := self.chosen(len(rounds))) is not None:
            rounds.append(found)
        return rounds

    def _fit(self, bought: Bought) -> Spreader:
        propagate = Propagate(self.settings("propagate"), self.settings("represent").seed)
        return propagate.fit(self.table.vectors, bought.chosen, bought.uids, bought.labels)

    def propagate(self, stage: Stage) -> None:
        """Labels for all other rows: accepted ones are written, the rest goes where `otherwise` says."""
        settings: PropagateStep = self.settings("propagate")
        work = SpreadWork(self.job, self.resolved.texts, self.folder.path, self.names["embed"], stage.name,
                          settings.otherwise)  # fmt: skip
        if not self.run.is_done(stage):
            bought = self.bought()
            if not bought.uids:
                self.run.why = "no representative has a label: see failures/, then run `rayjob retry`"
                return
            self._spread(stage, work, bought)
        if settings.otherwise == "review" and not self.run.why:
            self.answering.review_rest(stage)
        elif settings.otherwise == "label" and self.settings("ask").source == "label" and not self.run.why:
            self.label_rest(stage)

    def _spread(self, stage: Stage, work: SpreadWork, bought: Bought) -> None:
        ray, phase = self.run.ray, f"spreading {len(bought.uids):,} labels over {len(self.table):,} rows"
        with self.run.telling(phase):
            fitted = self._fit(bought)
        counter = RowCounter(sum(part.rows for part in self.parts))
        with self.run.telling(phase, counter):
            if not self._spread_parts(work, bought, ray.put(fitted), counter):
                return
        markers = [self.folder.read_json(work.marker(part)) or {} for part in self.parts]
        with self.run.telling("drawing the curve and the map"):
            earlier = [(len(part.uids), self._fit(part)) for part in self._earlier(bought)]
            write_summary(self, stage, bought, fitted, markers, earlier)
        self.run.finish_stage(
            stage, {"sent": sum(found["sent"] for found in markers), "heirs": sum(f["heirs"] for f in markers)}
        )

    def _spread_parts(self, work: SpreadWork, bought: Bought, spreader: Any, counter: RowCounter) -> bool:
        """The parts that have not been spread over yet; False where the run ends meanwhile."""
        ray = self.run.ray
        spread = ray.remote(num_cpus=1)(spread_part)
        # A chosen row whose question failed stays a failure, for `retry` to mend; one without truth is like any other.
        is_asked = self.settings("ask").source == "label"
        own = self.table.by_part(join_chosen(self._rounds()).rows if is_asked else bought.chosen.rows)
        left = [part for part in self.parts if not files.exists(self.folder.at(work.marker(part)))]
        counter.add(counter.total - sum(part.rows for part in left))
        tasks = [
            spread.remote(work, part, frozenset(own.get(part.number, np.empty(0, np.int64)).tolist()), spreader)
            for part in left
        ]
        for part, task in zip(left, tasks, strict=True):
            ray.get(task)
            counter.add(part.rows)
            if self.run.why:
                return False
        return True

    def _earlier(self, bought: Bought) -> list[Bought]:
        """What every round but the last had bought: the points of the curve."""
        last = int(bought.rounds.max())
        return [bought.up_to(number) for number in range(last)]

    def label_rest(self, stage: Stage) -> None:
        """The label steps over the rows that `propagate` sent on, for the dimensions that it left open."""
        spread, done = self.names["propagate"], self.facts("propagate")
        if done.get("sent"):
            labelling = replace(self.label_stage(), name=f"{self.label_stage().name}-rest")
            self.run.label_rows(labelling, self.folder.at("stages", spread, "rest"), done["sent"], done["heirs"])

    def label_stage(self) -> Stage:
        """The stage of the label steps."""
        return next(stage for stage in self.run.request.plan.stages if _kinds(stage) <= LABELLING)

    def subset(self, stage: str, chosen: Chosen) -> tuple[str, int, int]:
        """The prepared rows of these rows of the table, as a folder: its address, rows, heirs."""
        where = self.folder.at("stages", stage)
        write = self.run.ray.remote(num_cpus=0.5)(write_subset)
        tasks = [
            write.remote(self.parts[number], places.tolist(), f"{where}/{self.parts[number].name}.parquet")
            for number, places in self.table.by_part(chosen.rows).items()
        ]
        counts = self.run.ray.get(tasks)
        return where, sum(rows for rows, _ in counts), sum(heirs for _, heirs in counts)

    def facts(self, kind: str) -> dict[str, Any]:
        """What the stage of this kind noted when it was done; empty where there is none."""
        return (self.folder.stage_facts(self.names[kind]) or {}) if kind in self.names else {}


def _kinds(stage: Stage) -> set[str]:
    return {step.kind for step in stage.steps()}


DEFAULTS: Mapping[str, Callable[[], Any]] = {
    "embed": EmbedStep, "cluster": ClusterStep, "represent": RepresentStep, "ask": AskStep,
    "propagate": PropagateStep,
}  # fmt: skip
