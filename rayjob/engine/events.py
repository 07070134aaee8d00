"""events.jsonl: what happened, as it happens. Appended locally; on S3 the object is replaced every few seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from rayjob.reports.progress import Event, ProgressView, Tracker, read_event, read_events
from rayjob.store import files
from rayjob.store.address import parse_address
from rayjob.store.atomic import write_atomic
from rayjob.store.errors import StoreError

S3_EVERY_S = 10.0
#: On S3 the whole log is written again each time, so it must stay small: older progress is thinned out.
MOST_EVENTS_ON_S3 = 5_000
KEPT_WHEN_THINNED = 1_000
#: A folder that could not be written for so long is lost. One request to an S3 that stays silent takes two minutes.
LOST_S = 60.0
#: After a failed upload; the last event does not wait for it.
REST_S = 60.0
#: So long an event waits for an upload that is under way, rather than leave itself to the next.
PATIENCE_S = 1.0
OFTEN, LAST = "progress", "run_done"


class EventLog:
    """One run's events, and the view of its progress that the display shows. Written to by several threads.

    lost: why the folder could not be written for LOST_S; empty while it can. A single lost event loses nothing that
    counts: what counts raises elsewhere.
    """

    def __init__(self, uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = parse_address(uri)
        self.clock = clock
        self.lock = threading.RLock()  # a signal's handler writes too, wherever the main thread was
        self.uploading = threading.Lock()
        self.tracker = Tracker()
        self.lines: list[bytes] = []
        self.due = float("-inf")
        self.failing_since: float | None = None
        self.lost = ""
        self._take_old()

    def write(self, event: str, **fields: Any) -> None:
        """Add one event, now. On S3 it may be the next upload that carries it."""
        record = {"t": round(time.time(), 3), "event": event, **fields}
        line = orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS) + b"\n"
        with self.lock:
            self.tracker.take(record)
            if self.address.is_local:
                self._attempt(lambda: self._append(line))
                return
            self.lines.append(line)
        if event == LAST or self.clock() >= self.due or (event != OFTEN and self.failing_since is None):
            self._begin_upload(event)

    def view(self) -> ProgressView:
        """The run as of now."""
        with self.lock:
            return self.tracker.view(time.time())

    def events(self) -> list[Event]:
        """All events of the folder, those of earlier sessions too."""
        if self.address.is_local:
            return read_events(files.read_text(self.address.uri))
        return read_events(b"".join(self.lines).decode(errors="replace"))

    def _take_old(self) -> None:
        if not files.exists(self.address.uri):
            return
        for line in files.read_bytes(self.address.uri).splitlines(keepends=True):
            self.lines.append(line)
            if event := read_event(line.decode(errors="replace")):
                self.tracker.take(event)
        if self.address.is_local:
            self.lines.clear()

    def _append(self, line: bytes) -> None:
        os.makedirs(os.path.dirname(self.address.path), exist_ok=True)
        with open(self.address.path, "ab") as file:
            file.write(line)

    def _begin_upload(self, event: str) -> None:
        """Replace the object; the display and the watch over the run never wait for that."""
        wait_s = {OFTEN: 0.0, LAST: -1.0}.get(event, PATIENCE_S)
        if not self.uploading.acquire(timeout=wait_s):
            return  # another thread is at it
        if event == OFTEN:
            threading.Thread(target=self._upload, name="rayjob-events", daemon=True).start()
        else:
            self._upload()

    def _upload(self) -> None:
        try:
            with self.lock:
                self._thin_out()
                content = b"".join(self.lines)
            self.due = self.clock() + S3_EVERY_S
            self._attempt(lambda: write_atomic(self.address.uri, content))
        finally:
            self.uploading.release()

    def _thin_out(self) -> None:
        if len(self.lines) > MOST_EVENTS_ON_S3:
            older, newest = self.lines[:-KEPT_WHEN_THINNED], self.lines[-KEPT_WHEN_THINNED:]
            others = [line for line in older if b'"event":"progress"' not in line]
            self.lines = others[-KEPT_WHEN_THINNED:] + newest

    def _attempt(self, write: Callable[[], None]) -> None:
        began = self.clock()
        try:
            write()
        except (OSError, StoreError) as error:
            now = self.clock()
            self.failing_since = began if self.failing_since is None else self.failing_since
            self.due = now + REST_S
            self.lost = str(error) if now - self.failing_since >= LOST_S else ""
        else:
            self.failing_since, self.lost = None, ""
