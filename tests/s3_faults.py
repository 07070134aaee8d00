"""A proxy before an S3 server that answers badly on demand: 503 SlowDown, NoSuchBucket, or nothing at all."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

HOP_BY_HOP = frozenset({"transfer-encoding", "content-length", "connection", "expect"})
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your rate.</Message></Error>"


NO_BUCKET = b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>The bucket is not there.</Message></Error>"
#: Longer than a client waits.
SILENT_S = 30.0


class Faults:
    """How many of the next requests get a 503 (`slow_down`) or no answer (`dropped`), and how many came.

    `shares` of all requests may strike as well (slow_down, dropped, silent), and `always` strikes every one: gone (no
    such bucket) or silent (the connection stays open and nothing comes). `given` counts them.
    """

    def __init__(self) -> None:
        self.slow_down = 0
        self.dropped = 0
        self.requests = 0
        self.shares: dict[str, float] = {}
        self.always = ""
        self.given: Counter[str] = Counter()
        self.random = random.Random(0)
        self.lock = threading.Lock()
        self.over = threading.Event()

    def take(self) -> str:
        """What happens to this request."""
        with self.lock:
            self.requests += 1
            fault = self.always or self._next() or self._draw()
            self.given[fault] += 1
        return fault

    def _next(self) -> str:
        for name in ("slow_down", "dropped"):
            if getattr(self, name) > 0:
                setattr(self, name, getattr(self, name) - 1)
                return name
        return ""

    def _draw(self) -> str:
        draw = self.random.random()
        for name, share in self.shares.items():
            draw -= share
            if draw < 0:
                return name
        return ""


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: ClassVar[Faults]
    target: ClassVar[str]

    def _pass_on(self) -> None:
        body = self._read_body()
        fault = self.faults.take()
        if fault in ("dropped", "silent"):
            if fault == "silent":
                self.faults.over.wait(SILENT_S)
            self.close_connection = True
            return
        if fault:
            status, text = (503, SLOW_DOWN) if fault == "slow_down" else (404, NO_BUCKET)
            self._answer(status, {"Content-Type": "application/xml", "Content-Length": str(len(text))}, text)
            return
        with closing(HTTPConnection(self.target, timeout=30)) as upstream:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            upstream.request(self.command, self.path, body=body, headers=headers)
            reply = upstream.getresponse()
            self._answer(reply.status, dict(reply.getheaders()), reply.read())

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers end with an empty line
            pass
        return body

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        skipped = {"content-length", "connection", "transfer-encoding", "date", "server"}
        for name, value in headers.items():
            if name.lower() not in skipped:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the test looks at `Faults`."""


@contextmanager
def faulty(endpoint: str) -> Iterator[tuple[str, Faults]]:
    """The endpoint of a proxy before `endpoint`, and its faults."""
    faults = Faults()
    handler = type("Proxy", (_Proxy,), {"faults": faults, "target": endpoint.removeprefix("http://")})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        faults.over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
