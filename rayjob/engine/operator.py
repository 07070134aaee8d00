"""The LLM operator: one async actor, in which every row is a coroutine that goes through all its steps and leaves."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from rayjob.engine.columns import GENERATED, labelled, to_table
from rayjob.engine.contact import Contact
from rayjob.engine.metrics import ActorMetrics
from rayjob.engine.paid import open_ledger
from rayjob.engine.tally import Tally
from rayjob.llm.client import Client
from rayjob.llm.errors import RunStoppedError
from rayjob.plan.resolve import Texts, resolve_texts
from rayjob.spec.model import JobSpec
from rayjob.steps.build import RowPipeline, build_pipeline


class Secrets(dict[str, str]):
    """Values of the variables that hold keys. Shows none of them."""

    def __repr__(self) -> str:
        return f"Secrets({sorted(self)})"


@dataclass(frozen=True, slots=True)
class OperatorJob:
    """Everything an actor needs to build its pipeline, picklable. `rows_in_flight`: rows it works on at a time;
    `target`: the folder of the run for the rows that did not fail; `ledger_index`: see share_index."""

    run: str
    job: JobSpec
    texts: Texts
    steps: tuple[str, ...]
    governor: Any
    ledger_path: str
    rows_in_flight: int
    secrets: Secrets = field(default_factory=Secrets)
    target: str = "labels"
    ledger_index: Any = None


class LlmOperator:
    """The callable class that Ray Data keeps in each actor."""

    def __init__(self, work: OperatorJob) -> None:
        self.work = work
        resolved = resolve_texts(work.job, work.texts)
        is_labelling = work.target == "labels"
        self.schema = labelled(resolved.taxonomy, resolved.dimensions()) if is_labelling else GENERATED
        self.pipeline: RowPipeline = build_pipeline(resolved, work.steps)
        self.resolved = resolved
        if any(spec.is_offline for spec in work.job.models.values()):
            from rayjob.llm.offline import register_offline  # imports LiteLLM: only where it is used

            register_offline(resolved.taxonomy)
        self.tally = Tally()
        self.started: dict[int, tuple[float, str]] = {}
        self.ready: asyncio.Task[None] | None = None

    async def __call__(self, table: pa.Table) -> pa.Table:
        """A block of prepared rows → the same rows labelled or failed; rows given up on a stop are left out."""
        if self.ready is None:
            self.ready = asyncio.create_task(self._open())
        await self.ready
        rows = table.to_pylist()
        done = await asyncio.gather(*(self._row(row) for row in rows))
        await self.contact.tell()  # the pool may be gone before the next beat
        await self._keep_answers()
        out = [heir for row in done if row is not None for heir in with_heirs(row)]
        return to_table(out, self.schema)

    async def _keep_answers(self) -> None:
        """Rows leave once their answers are durable: the pool may be gone a moment later, a changed spec asks again."""
        if self.ledger is not None:
            with suppress(OSError):  # the ledger tries again by itself, and stops the run where that keeps failing
                await self.ledger.flush()

    async def _open(self) -> None:
        """What needs the actor's event loop: the contact with the governor, the ledger, the client."""
        work = self.work
        self.contact = Contact(work.governor, work.run, self.tally, self._fill_tally)
        self.gate = self.contact.gate
        self.ledger = (
            await asyncio.to_thread(open_ledger, work.job, work.ledger_path, work.ledger_index)
            if work.ledger_path
            else None
        )
        self.client = Client(work.job.models, self.gate, self.ledger, work.secrets)
        self.metrics = ActorMetrics()
        self.window = asyncio.Semaphore(work.rows_in_flight)
        self.contact.begin()

    async def _row(self, row: dict[str, Any]) -> dict[str, Any] | None:
        async with self.window:
            if self.contact.draining or self.gate.stopped:
                self.tally.rows_dropped += 1
                return None
            key = id(row)
            self.started[key] = (time.monotonic(), "")
            try:
                return self._count(await self._ask(row, key))
            except RunStoppedError as stop:
                self.tally.rows_dropped += 1
                self.tally.stop = self.tally.stop or f"{stop.kind}: {stop.message}"
                return None
            finally:
                del self.started[key]

    async def _ask(self, row: dict[str, Any], key: int) -> dict[str, Any]:
        def now_in(step: str) -> None:
            self.started[key] = (self.started[key][0], step)

        try:
            return await self.pipeline.run(row, self.client, now_in, self.gate.budget_state.skip_arbitration)
        except RunStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not take its block along; it says it is our bug
            where = traceback.format_exception_only(error)[-1].strip()
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{where[:300]} at {place.filename.rsplit('/', 1)[-1]}:{place.lineno}; please report this"
            return self.pipeline.fail(row, "internal", message)

    def _count(self, row: dict[str, Any]) -> dict[str, Any]:
        copies = 1 + len(row.get("heirs") or ())
        if row.get("failure"):
            self.tally.rows_failed += copies
        else:
            self.tally.rows_done += copies
        return row

    def _fill_tally(self) -> None:
        tally, now = self.tally, time.monotonic()
        tally.rows_in_flight = len(self.started)
        tally.oldest_s = max((now - began for began, _ in self.started.values()), default=0.0)
        tally.step_in_flight.clear()
        tally.step_in_flight.update(step for _, step in self.started.values())
        tally.count_calls(self.client.counters)
        self.metrics.update(self.client.counters, tally)


def with_heirs(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row, and a copy under its own uid for every reply that inherits its labels; the copies cost nothing."""
    copies = [{**row, **heir, "calls": [], "inherits": row["uid"]} for heir in row.get("heirs") or ()]
    return [{**row, "inherits": None}, *copies]
