"""`mode: batch`: questions wait here until there are enough for a batch, and for its answers, however long that takes.

A transport like the others: what fails in a batch is asked again in the next one, by the same rules as live calls.
Submitted batches are noted beside the ledger, so that a run that goes on waits for them and pays nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

import orjson

from rayjob.llm.batch_api import Batch, BatchApi
from rayjob.llm.errors import ProviderError, RunStoppedError
from rayjob.llm.ledger_index import Files
from rayjob.llm.transport import Answer, Call
from rayjob.spec.models import ModelSpec

SUFFIX = ".batch.json"
#: Looks in a row that may fail before the questions of a batch do.
PATIENCE = 20


class BatchNotes:
    """Which batches are out: one small file each, beside the ledger's segments."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = f"{path.rstrip('/')}/batches"

    def load(self, model: str) -> dict[str, list[str]]:
        """Request ids by batch id, of the batches of one model. Raises OSError: a batch not known of is paid twice."""
        notes: dict[str, list[str]] = {}
        for uri in sorted(self._files.list_sizes(self._path)):
            if uri.endswith(SUFFIX):
                with suppress(FileNotFoundError, orjson.JSONDecodeError, KeyError):  # another run was done with it
                    note = orjson.loads(self._files.read_bytes(uri))
                    if note["model"] == model:
                        notes[note["batch"]] = note["requests"]
        return notes

    def add(self, model: str, batch_id: str, requests: list[str]) -> None:
        """A batch was submitted."""
        note = {"model": model, "batch": batch_id, "requests": requests}
        self._files.write_atomic(self._uri(batch_id), orjson.dumps(note))

    def drop(self, batch_id: str) -> None:
        """Nothing of a batch is waited for any more."""
        with suppress(OSError):
            self._files.delete(self._uri(batch_id))

    def _uri(self, batch_id: str) -> str:
        return f"{self._path}/{sha256(batch_id.encode()).hexdigest()[:24]}{SUFFIX}"


class BatchTransport:
    """Collects calls into batches of one spec model. `notes` may be None: then a killed run forgets its batches."""

    def __init__(self, spec: ModelSpec, api: BatchApi, notes: BatchNotes | None = None) -> None:
        self._spec = spec
        self._api = api
        self._notes = notes
        self._futures: dict[str, asyncio.Future[Answer]] = {}
        self._queue: dict[str, dict[str, object]] = {}
        self._out: dict[str, set[str]] = {}  # of every batch that is out: requests whose answers nobody has had yet
        self._ready: dict[str, Answer] = {}  # answers of a batch from before this process, until somebody asks
        self._over: dict[str, set[str]] = {}  # batches that are done, with their requests
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._started = asyncio.Lock()
        self._is_started = False

    async def send(self, call: Call) -> Answer:
        """See Transport.send. Returns when the batch with this call is done."""
        async with self._started:
            if not self._is_started:
                await self._start()
        request = request_id(call)
        if request in self._ready:
            return self._ready.pop(request)
        future = self._futures.get(request)
        if future is None:
            future = self._futures[request] = asyncio.get_running_loop().create_future()
            if not any(request in requests for requests in self._out.values()):
                self._queue[request] = call.body()
                self._news.set()
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Stops waiting. Batches that are out stay out; the next run asks for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._futures.values():
            future.cancel()
        self._forget()
        await self._api.close()

    async def _start(self) -> None:
        try:
            noted = await asyncio.to_thread(self._notes.load, self._spec.model) if self._notes else {}
        except OSError as error:
            raise RunStoppedError("ledger", f"the batches that are out cannot be read: {error}") from None
        self._is_started = True
        self._run(self._collect())
        for batch_id, requests in noted.items():
            self._out[batch_id] = set(requests)
            self._run(self._watch(Batch(batch_id, "noted")))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self) -> None:
        """Submits what has come together once it is enough, or once nothing more comes."""
        batch = self._spec.batch
        while True:
            await self._news.wait()
            while len(self._queue) < batch.requests:
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), batch.wait_s)
                except TimeoutError:
                    break
            chosen = dict(list(self._queue.items())[: batch.requests])
            self._queue = {request: body for request, body in self._queue.items() if request not in chosen}
            if not self._queue:
                self._news.clear()
            if chosen:
                await self._submit(chosen)

    async def _submit(self, bodies: dict[str, dict[str, object]]) -> None:
        try:
            made = await self._api.submit(bodies)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            for request in bodies:
                self._settle(request, as_provider_error(error))
            return
        self._out[made.id] = set(bodies)
        if self._notes is not None:
            with suppress(OSError):  # without a note it is still waited for, only not by the next run
                await asyncio.to_thread(self._notes.add, self._spec.model, made.id, list(bodies))
        self._run(self._watch(made))

    async def _watch(self, batch: Batch) -> None:
        """Waits for a batch and hands its answers out. A look that fails is repeated, PATIENCE times in a row."""
        failures = 0
        found: dict[str, Answer | ProviderError] | None = None
        while found is None:
            if batch.status != "noted" or failures:
                await asyncio.sleep(self._spec.batch.poll_s)
            try:
                batch = await self._api.look(batch.id)
                found = await self._api.fetch(batch) if batch.is_done else None
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                failures += 1
                failed = as_provider_error(error)
                if failed.kind in ("bad_request", "internal") or failures >= PATIENCE:
                    self._end(batch.id, {}, failed)
                    return
        kind = "bad_request" if batch.status == "failed" else "server"
        missing = ProviderError(kind, f"the batch is {batch.status} without an answer to this: {batch.message}")
        self._end(batch.id, found, missing)

    def _end(self, batch_id: str, found: Mapping[str, Answer | ProviderError], missing: ProviderError) -> None:
        """Gives everyone who waits for this batch their answer or failure; keeps answers nobody asked for yet."""
        self._over[batch_id] = self._out.pop(batch_id)
        for request in self._over[batch_id]:
            answer = found.get(request, missing)
            if not self._settle(request, answer) and isinstance(answer, Answer):
                self._ready[request] = answer

    def _forget(self) -> None:
        """Notes keep only what nobody has had yet. At the end, when the ledger has the answers that somebody had."""
        if self._notes is None:
            return
        for batch_id, requests in self._over.items():
            left = sorted(requests & self._ready.keys())
            with suppress(OSError):
                self._notes.add(self._spec.model, batch_id, left) if left else self._notes.drop(batch_id)

    def _settle(self, request: str, answer: Answer | ProviderError) -> bool:
        future = self._futures.pop(request, None)
        if future is None or future.done():
            return False
        if isinstance(answer, Answer):
            future.set_result(answer)
        else:
            future.set_exception(answer)
        return True


def as_provider_error(error: Exception) -> ProviderError:
    """What nobody foresaw fails its questions as "internal"; the task that met it goes on."""
    return error if isinstance(error, ProviderError) else ProviderError("internal", f"{type(error).__name__}: {error}")


def request_id(call: Call) -> str:
    """The same call has the same id in every run; draws of one question are calls of their own."""
    asked = {"model": call.spec.model, **call.body()}
    if call.sample:  # only then, so that batches that are out keep their ids
        asked["sample"] = call.sample
    return "rj-" + sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]
