"""The embed stage of a run: by a network of our own or by a model behind an API, watched, within limits and budget."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rayjob.engine.columns import PREPARED, split_failures
from rayjob.engine.embed_remote import Remote
from rayjob.engine.embedding import EmbedWork, run_embed, sum_spent
from rayjob.engine.operator import Secrets
from rayjob.engine.parts import Part
from rayjob.engine.ticker import ParquetRows, RowCounter
from rayjob.llm.limits import limits_of
from rayjob.plan.graph import Stage
from rayjob.spec.spread import EmbedStep
from rayjob.store.parquetwrite import write_parquet

if TYPE_CHECKING:
    from rayjob.engine.run import Run

#: Columns that a row's failure is told with.
TOLD = tuple(name for name in PREPARED.names if name not in ("transcript", "query", "answer"))


class EmbedStage:
    """Vectors of the prepared rows of one run, part by part."""

    def __init__(self, run: Run, spec: EmbedStep, parts: tuple[Part, ...]) -> None:
        self.run, self.spec, self.parts = run, spec, parts
        self.rows = sum(part.rows for part in parts)

    def execute(self, stage: Stage) -> None:
        """Embed what has no vectors yet; rows that could not be read go to failures/."""
        work = self._work(stage)
        share, counter, kept = self.run.job.run.gpus_per_actor, RowCounter(self.rows), ParquetRows(work.kept)
        known = kept.count()
        embed = partial(run_embed, self.run.ray, work, share, self._ending, counter.add)

        def say_rows() -> str:
            """Vectors are kept more often than a part is done; those that were known before are no news."""
            return f"{min(self.rows, max(counter.done, kept.count() - known)):,} of {self.rows:,} rows"

        if work.remote is None:
            with self.run.telling("embedding", say_rows):
                embed()
        else:
            self.run.watch(work.remote.governor, embed, "embedding", say_rows)
        if not self.run.why:
            self._pass_failures(stage)
            self.run.finish_stage(stage, {"rows": self.rows, "parts": len(self.parts), **sum_spent(work)})

    def _work(self, stage: Stage) -> EmbedWork:
        folder, ledger, remote = self.run.folder, self.run.job.ledger, self._remote()
        # What was paid for stands with the paid answers, for every run that shares them.
        kept = f"{ledger.path}/vectors" if remote and ledger else folder.at("vectors")
        return EmbedWork(self.spec, self.parts, folder.stage(stage.name), kept, remote)

    def _remote(self) -> Remote | None:
        """The model of the spec that embeds, within its limits and the budget; None for a network of our own."""
        models, name = self.run.job.models, self.spec.model
        if name not in models:
            return None
        governor = self.run.start_governor(limits_of(models))
        secrets = Secrets(self.run.request.secrets)
        return Remote(self.run.manifest.run, name, models[name], governor, self.spec.batch, secrets)

    def _ending(self) -> str:
        """Why the run is to end, also while a stage is being watched."""
        return self.run.why or (self.run.watcher.why if self.run.watcher is not None else "")

    def _pass_failures(self, stage: Stage) -> None:
        for part in self.parts:
            _, bad = split_failures(part.read(TOLD))
            if bad.num_rows:
                write_parquet(self.run.folder.at("failures", f"{stage.name}-{part.name}.parquet"), bad)
