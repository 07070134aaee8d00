"""A scripted OpenAI-compatible provider over real HTTP, for tests and benchmarks. It counts everything.

    with serve(Script(answer=lambda body: '{"intent": "build"}')) as server:
        server.url      # http://127.0.0.1:PORT/v1
        server.outcomes, server.peak, server.bodies

As a process of its own (`python -m tests.llm_server --latency 1 --sigma 0.4 --rpm 6000`) it prints its URL and then,
when it is asked for GET /stats, what it counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

Body = dict[str, Any]


@dataclass
class Fault:
    """A way not to answer: an HTTP error, or `drop`, `hang`, `malformed`, `truncated`, `filtered`."""

    kind: str = "status"
    status: int = 500
    message: str = "injected"
    headers: dict[str, str] = field(default_factory=dict)


def status(code: int, message: str = "injected", **headers: str) -> Fault:
    """An HTTP error; header names with _ for -."""
    return Fault("status", code, message, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Script:
    """What the server does. `faults` are used up first, one a request; then each share of `storm` may strike.

    `capacity`: answers that it works on at a time without slowing down; more in flight make all of them slower (a
    vLLM).
    """

    answer: Callable[[Body], str] = lambda body: '{"ok": true}'
    embed: Callable[[str], Sequence[float]] = lambda text: [1.0, float(len(text))]
    faults: Sequence[Fault] = ()
    refuse: Callable[[Body], Fault | None] = lambda body: None
    storm: dict[str, float] = field(default_factory=dict)
    latency_s: float = 0.0
    sigma: float = 0.0
    rpm: int = 0
    capacity: int = 0
    cached_share: float = 0.0
    seed: int = 0
    batch_looks: int = 2
    batch_end: str = "completed"


class Provider:
    """The application and its counts."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.url = ""
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.outcomes: Counter[str] = Counter()
        self.in_flight = self.peak = 0
        self.first = self.last = 0.0
        self.busy_s = 0.0
        self.keep_bodies = True
        self.over_rate_at: list[float] = []  # when a call was refused for `rpm`
        self.ok_at: list[float] = []
        self._faults = deque(script.faults)
        self._random = random.Random(script.seed)
        self._window: deque[float] = deque()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.chat)
        app.router.add_get("/stats", self.stats)
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.create_batch)
        app.router.add_get("/v1/batches/{id}", self.show_batch)
        app.router.add_post("/v1/batches/{id}/cancel", self.cancel_batch)
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """One completion (or one list of embeddings), or a fault."""
        body = orjson.loads(await request.read())
        if self.keep_bodies:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        began = time.monotonic()
        self.first = self.first or began
        outcome = "cancelled"
        try:
            fault = self.script.refuse(body) or self._fault()
            outcome = (
                fault.kind if fault is not None and fault.kind != "status" else str(fault.status if fault else "ok")
            )
            return await self._respond(request, body, fault)
        finally:
            self.outcomes[outcome] += 1
            self.in_flight -= 1
            self.last = time.monotonic()
            if outcome == "ok":
                self.ok_at.append(self.last)
            self.busy_s += self.last - began

    # -- files and batches: a batch is worked off when it has been looked at `batch_looks` times

    async def upload(self, request: web.Request) -> web.Response:
        """POST /files."""
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read()
        size = len(self.files[name])
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "bytes": size,
                "created_at": 0,
                "filename": "q",
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def content(self, request: web.Request) -> web.Response:
        """GET /files/ID/content."""
        return web.Response(body=self.files[request.match_info["id"]])

    async def create_batch(self, request: web.Request) -> web.Response:
        """POST /batches."""
        body = await request.json()
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": body["endpoint"], "input_file_id": body["input_file_id"],
            "completion_window": body["completion_window"], "status": "in_progress", "created_at": 0, "looks": 0,
            "output_file_id": None, "error_file_id": None,
        }  # fmt: skip
        return web.json_response(self.batches[name])

    async def show_batch(self, request: web.Request) -> web.Response:
        """GET /batches/ID."""
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        batch["looks"] += 1
        if batch["status"] == "in_progress" and batch["looks"] >= self.script.batch_looks:
            self._work_off(batch)
        return web.json_response(batch)

    async def cancel_batch(self, request: web.Request) -> web.Response:
        """POST /batches/ID/cancel."""
        batch = self.batches[request.match_info["id"]]
        batch["status"] = "cancelled"
        return web.json_response(batch)

    def _work_off(self, batch: dict[str, Any]) -> None:
        answers: list[dict[str, Any] | None] = []  # None: a line that was torn
        errors: list[dict[str, Any] | None] = []
        for line in self.files[batch["input_file_id"]].splitlines():
            item = orjson.loads(line)
            self.bodies.append(item["body"])
            fault = self._fault()
            self.outcomes[fault.kind if fault else "ok"] += 1
            if fault is not None and fault.kind == "drop":
                continue
            if fault is not None and fault.kind == "malformed":
                answers.append(None)
            elif fault is not None:
                response = {"status_code": fault.status, "body": {"error": {"message": fault.message}}}
                errors.append({"custom_id": item["custom_id"], "response": response})
            else:
                done = orjson.loads(self._completion(item["body"], self.script.answer(item["body"]), "stop"))
                answers.append({"custom_id": item["custom_id"], "response": {"status_code": 200, "body": done}})
        batch["status"] = self.script.batch_end
        for field_name, lines in (("output_file_id", answers), ("error_file_id", errors)):
            if lines:
                batch[field_name] = f"file-{len(self.files)}"
                self.files[batch[field_name]] = b"\n".join(orjson.dumps(line) if line else b'{"cust' for line in lines)

    async def stats(self, request: web.Request) -> web.Response:
        """Counts so far; ?reset=1 starts over."""
        report = self.counts()
        if "reset" in request.query:
            self.outcomes.clear()
            self.first = self.last = self.busy_s = 0.0
            self.peak = 0
        return web.json_response(report)

    def counts(self) -> dict[str, Any]:
        """What happened."""
        return {
            "requests": self.outcomes.total(),
            "outcomes": dict(self.outcomes),
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak,
            "busy_s": self.busy_s,
            "span_s": self.last - self.first,
        }

    def _fault(self) -> Fault | None:
        if self._faults:
            return self._faults.popleft()
        wait_s = self._over_rate()
        if wait_s > 0:
            self.over_rate_at.append(time.monotonic())
            return status(429, "rate limit reached", Retry_After=str(max(1, round(wait_s))))
        draw = self._random.random()
        for kind, share in self.script.storm.items():
            draw -= share
            if draw < 0:
                return status(int(kind), Retry_After="1") if kind.isdigit() else Fault(kind)
        return None

    def _over_rate(self) -> float:
        if not self.script.rpm:
            return 0.0
        now = time.monotonic()
        while self._window and now - self._window[0] > 60:
            self._window.popleft()
        if len(self._window) >= self.script.rpm:
            return 60 - (now - self._window[0])
        self._window.append(now)
        return 0.0

    async def _respond(self, request: web.Request, body: Body, fault: Fault | None) -> web.StreamResponse:
        if fault is not None and fault.kind == "status":
            error = {"error": {"message": fault.message, "type": "injected", "code": fault.status}}
            return web.json_response(error, status=fault.status, headers=fault.headers)
        if self.script.latency_s:
            load = max(1.0, self.in_flight / self.script.capacity) if self.script.capacity else 1.0
            await asyncio.sleep(load * self.script.latency_s * self._random.lognormvariate(0, self.script.sigma))
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(3600)
        if fault is not None and fault.kind == "drop":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if "input" in body:
            return self._embeddings(body)
        text, finish = self.script.answer(body), "stop"
        if fault is not None and fault.kind == "malformed":
            text = "Sure! " + text[:-1].replace('"', "'")
        elif fault is not None and fault.kind == "truncated":
            text, finish = text[: len(text) // 2], "length"
        elif fault is not None and fault.kind == "filtered":
            text, finish = "", "content_filter"
        return web.Response(body=self._completion(body, text, finish), content_type="application/json")

    def _embeddings(self, body: Body) -> web.Response:
        """A vector for each text of `input`, in any order: clients have to look at `index`."""
        rows = [
            {"object": "embedding", "index": place, "embedding": list(self.script.embed(text))}
            for place, text in enumerate(body["input"])
        ]
        tokens = sum(len(text) for text in body["input"]) // 4
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage})

    def _completion(self, body: Body, text: str, finish: str) -> bytes:
        prompt = sum(len(message["content"]) for message in body["messages"]) // 4
        answer = max(1, len(text) // 4)
        usage: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        if self.script.cached_share:
            usage["prompt_tokens_details"] = {"cached_tokens": int(prompt * self.script.cached_share)}
        message = {"role": "assistant", "content": text}
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "message": message}
        if body.get("logprobs"):
            pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
            choice["logprobs"] = {"content": [{"token": one, "logprob": -0.1, "top_logprobs": []} for one in pieces]}
        return orjson.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
                "usage": usage,
            }
        )


@contextlib.contextmanager
def serve(script: Script | None = None) -> Iterator[Provider]:
    """A provider in a thread of this process, on a free port."""
    provider = Provider(script or Script())
    loop = asyncio.new_event_loop()
    started = threading.Event()
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible provider.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--rpm", type=int, default=0)
    parser.add_argument("--storm", type=json.loads, default={})
    parser.add_argument("--answer", default='{"ok": true}')
    args = parser.parse_args()
    script = Script(
        answer=lambda body: args.answer, latency_s=args.latency, sigma=args.sigma, rpm=args.rpm, storm=args.storm
    )
    provider = Provider(script)
    provider.keep_bodies = False

    async def run() -> None:
        runner = web.AppRunner(provider.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", args.port, backlog=4096).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)  # noqa: T201 - a program of its own
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


if __name__ == "__main__":
    main()
