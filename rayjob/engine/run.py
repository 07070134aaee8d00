"""Runs a plan: opens the folder, goes through the stages, finishes. The order of what happens to a run, on one page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rayjob.engine.claim import Claim
from rayjob.engine.events import EventLog
from rayjob.engine.finish import count_files, count_on, finish_run, is_counted_here, list_counted, threshold_of
from rayjob.engine.governor import start_governor
from rayjob.engine.label import run_label, shape_of
from rayjob.engine.manifest import Manifest
from rayjob.engine.operator import OperatorJob, Secrets
from rayjob.engine.paid import share_index
from rayjob.engine.prepare import Prepared, run_prepare
from rayjob.engine.redo import TRANSIENT, count_committed, finish_redo, take_back
from rayjob.engine.session import connect, count_cpus, is_connected
from rayjob.engine.ticker import Ticker
from rayjob.engine.trouble import reason_of
from rayjob.engine.watch import Watcher
from rayjob.llm.limits import limit_key, limits_of
from rayjob.plan.graph import Plan, Stage
from rayjob.plan.resolve import Resolved
from rayjob.spec.models import LimitsSpec
from rayjob.store.runfolder import RunFolder

ABANDONED = "the stage did not end in time and was abandoned; answers that were kept are not paid for again"


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run: the resolved spec, its plan, the keys, and how to go on in a folder that was used before."""

    resolved: Resolved
    plan: Plan
    secrets: Mapping[str, str] = field(default_factory=dict)
    resume_changed: bool = False
    show: Callable[[Any], None] = lambda view: None
    redo: tuple[str, ...] = ()
    recorded: Resolved | None = None  # the spec that run.json keeps, where failed rows are asked under another one


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How it ended: status (done, failed_rows, stopped), why if stopped, counts, and the folder."""

    status: str
    why: str
    counts: Mapping[str, int]
    path: str

    @property
    def exit_code(self) -> int:
        """0 done, 1 done with failed rows, 3 stopped and resumable."""
        return {"done": 0, "failed_rows": 1}.get(self.status, 3)


class Run:
    """One session of one run folder."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.job = request.resolved.job
        self.folder = RunFolder(self.job.output.path)
        self.claim = Claim(self.folder.path)
        try:
            self.manifest = Manifest.open(
                self.folder, request.recorded or request.resolved, request.plan, request.resume_changed
            )
            self.log = EventLog(self.folder.at("events.jsonl"))
        except BaseException:
            self.claim.release()
            raise
        self.why = ""
        self.watcher: Watcher | None = None
        self.prepared: Prepared | None = None
        self.tables: Any = None  # what runs the stages that are neither preparing nor labelling
        self.cluster: Any = None
        self.leaves_ray = False
        self.abandoned = False

    @property
    def ray(self) -> Any:
        """Ray, started or connected to when something first needs it. Raises ClusterError."""
        if self.cluster is None:
            self.say("starting Ray")
            self.leaves_ray = not is_connected()
            self.cluster = connect()
        return self.cluster

    def interrupt(self) -> None:
        """Called on the first Ctrl-C: start no more rows, let calls in flight finish."""
        self.why = self.why or "interrupt"
        if self.watcher is not None:
            self.watcher.drain("interrupt")

    def execute(self) -> RunOutcome:
        """All stages, then stats and report. Raises StoreError, SpecError; anything else is our bug."""
        try:
            return self._go_through_stages()
        finally:
            self.claim.release()

    def _go_through_stages(self) -> RunOutcome:
        self.log.write("run_started", **self.manifest.facts())
        finish_redo(self.folder)
        for stage in self.request.plan.stages:
            if self.why:
                break
            began = time.time()
            self.log.write("stage_started", stage=stage.name, rows=self.prepared.rows if self.prepared else None)
            self._run_stage(stage)
            self.log.write("stage_done", stage=stage.name, wall_s=round(time.time() - began, 3))
        return self._finish()

    def _run_stage(self, stage: Stage) -> None:
        kinds = {step.kind for step in stage.steps()}
        if "prepare" in kinds:
            self._prepare(stage)
        elif kinds <= {"label", "arbitrate", "map"} and not self.job.steps_of("propagate"):
            self._label(stage)
        else:
            from rayjob.engine.tables import (
                run_table_stage,  # spreading and choosing: imported where a spec asks for it
            )

            run_table_stage(self, stage)

    def is_done(self, stage: Stage) -> bool:
        """Whether an earlier session finished the stage."""
        return self.folder.stage_facts(stage.name) is not None

    def finish_stage(self, stage: Stage, facts: Mapping[str, Any]) -> None:
        """Mark a stage as done, and tell what it found."""
        self.folder.finish_stage(stage.name, facts)
        said = ", ".join(f"{name} {fact}" for name, fact in facts.items())
        self.log.write("note", message=f"{stage.name}: {said}")

    def _prepare(self, stage: Stage) -> None:
        self.say("reading the input")
        self.prepared, notes = run_prepare(lambda: self.ray, self.job, self.folder, stage.name, self.telling)
        for note in notes:
            self.log.write("note", message=note)
        self.manifest.total = self.prepared.rows + self.prepared.heirs
        self.log.tracker.total = self.manifest.total

    def _label(self, stage: Stage) -> None:
        assert self.prepared is not None
        self.label_rows(stage, self.prepared.path, self.prepared.rows, self.prepared.heirs)

    def label_rows(self, stage: Stage, source: str, rows: int, heirs: int = 0) -> None:
        """Label prepared rows; then once more, slowly, those that the outside world failed."""
        if self.request.redo:
            take_back(self.folder, stage.name, self.request.redo)
        if count_committed(self.folder, stage.name) < rows + heirs:
            self._ask(stage, source, rows, slowdown=1)
        if not self.why and self.job.run.retry_sweep:
            again = take_back(self.folder, stage.name, TRANSIENT)
            if again:
                self.log.write(
                    "note", message=f"asking {again} rows again that the provider failed, at a quarter of the pace"
                )
                self._ask(stage, source, again, slowdown=4)

    def _ask(self, stage: Stage, source: str, rows: int, slowdown: int) -> None:
        models = tuple(name for operator in stage.operators for name in operator.models)
        ray = self.ray  # started by now: the next line counts its CPUs
        shape = shape_of(self.job, models, rows, count_cpus(), slowdown)
        self.say(f"starting {shape.actors} LLM actor{'s' if shape.actors > 1 else ''}")
        limits = limits_of(self.job.models)
        if slowdown > 1:
            limits = {
                key: spec.model_copy(update={"concurrency": max(1, spec.concurrency // slowdown)})
                for key, spec in limits.items()
            }
        governor = self.start_governor(limits)
        work = OperatorJob(
            run=self.manifest.run,
            job=self.job,
            texts=self.request.resolved.texts,
            steps=tuple(step.name for step in stage.steps()),
            governor=governor,
            ledger_path=self.ledger_path(),
            ledger_index=share_index(ray, self.ledger_path()),
            rows_in_flight=shape.rows_in_flight,
            target="labels" if not any(step.kind == "generate" for step in stage.steps()) else f"stages/{stage.name}",
            secrets=Secrets(self.request.secrets),
        )
        self.watch(governor, lambda: run_label(ray, work, source, self.folder, stage.name, shape))

    def start_governor(self, limits: Mapping[str, LimitsSpec]) -> Any:
        """The governor of a stage: these limits, and the budget with what has been spent of it."""
        spent_usd = self.manifest.before.cost_usd + self.manifest.session.cost_usd
        return start_governor(self.job.run.governor, self.manifest.run, limits, self.job.budget, spent_usd)

    def ledger_path(self) -> str:
        """Where answers are kept; nowhere when every model is free."""
        if self.job.ledger:
            return self.job.ledger.path
        return self.folder.ledger if any(not model.is_offline for model in self.job.models.values()) else ""

    def watch(
        self, governor: Any, stage: Callable[[], None], phase: str = "labelling", count: Callable[[], str] = str
    ) -> None:
        """Run a stage in a thread of its own while this one watches it; end it early when there is reason to."""
        names: dict[str, list[str]] = {}
        for name, spec in self.job.models.items():
            names.setdefault(limit_key(spec), []).append(name)
        watcher = Watcher(
            self.ray, governor, self.manifest.run, self.log, stall_s=self.job.run.stall_s,
            most_failed=self.manifest.most_failed(), show=lambda: self.request.show(self.log.view()), limits=names,
            phase=phase, count=count, budget_usd=self.job.budget.usd if self.job.budget else None,
        )  # fmt: skip
        watcher.base = self.manifest.base_tally()
        self.watcher = watcher
        thread = StageThread(stage)
        thread.start()
        watcher.start()
        if self.why:
            watcher.drain(self.why)
        self._wait(thread, watcher)
        watcher.stop()
        self.manifest.take(watcher.tally)
        self.why = self.why or watcher.why
        self.watcher = None
        if thread.error is not None and not self.why:
            self.why = reason_of(thread.error, self.folder.path)
            if not self.why:
                raise thread.error
            self.log.write("note", message=f"stopping: {self.why}")

    def _wait(self, thread: StageThread, watcher: Watcher) -> None:
        """Until the stage ends by itself; after a drain no longer than the grace period, plus time to commit."""
        asked_at: float | None = None
        while thread.is_alive():
            thread.join(0.2)
            if watcher.why and asked_at is None:
                asked_at = time.monotonic()
            if asked_at is not None and time.monotonic() - asked_at > self.job.run.grace_s + 5.0:
                self.log.write("note", message=ABANDONED)
                self.abandoned = True
                return

    def say(self, text: str) -> None:
        """Tell whoever watches what the run is at."""
        self._tell(phase=text, detail="", busy=False)

    @contextmanager
    def telling(self, phase: str, count: Callable[[], str] | None = None) -> Iterator[None]:
        """Say what the run is at, and every few seconds that it still is; how far, where there is a `count`."""
        self.say(phase)
        with Ticker(lambda: self._tell(phase=phase, detail=count() if count else "", busy=count is None)):
            yield

    def _tell(self, **fields: Any) -> None:
        latest = {name: value for name, value in self.log.tracker.latest.items() if name not in ("t", "event")}
        self.log.write("progress", **{**latest, **fields})
        self.request.show(self.log.view())

    def _finish(self) -> RunOutcome:
        work, threshold = list_counted(self.folder), threshold_of(self.request.resolved)
        is_small = is_counted_here(work, self.manifest.total or 0)
        with self.telling("writing stats and report"):
            counted = None if is_small else count_on(self.ray, work, threshold)
        with self._leaving_ray():
            stats = count_files(work, threshold) if counted is None else counted
            counts = finish_run(stats, self.folder, self.request.resolved, self.manifest, self.log, self.why)
        return RunOutcome(self.manifest.status, self.why, counts, self.folder.path)

    @contextmanager
    def _leaving_ray(self) -> Iterator[None]:
        """A local cluster takes more than a second to end: it does while the block runs.

        A stage that was abandoned still hangs in Ray's native code, so that the end of the process has to end it.
        """
        if self.cluster is None or self.abandoned or not self.leaves_ray:
            yield
            return
        ending = threading.Thread(target=self.cluster.shutdown, name="rayjob-leaving-ray")
        ending.start()
        try:
            yield
        finally:
            ending.join()


class StageThread(threading.Thread):
    """Runs a stage, so that the main thread stays free for signals."""

    def __init__(self, stage: Callable[[], None]) -> None:
        super().__init__(name="rayjob-stage", daemon=True)
        self.stage = stage
        self.error: BaseException | None = None

    def run(self) -> None:
        """The stage; its error is kept for the main thread."""
        try:
            self.stage()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread raises it again
            self.error = error
