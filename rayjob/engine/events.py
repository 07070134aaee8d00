"""events.jsonl: what happened, as it happens. Appended locally; on S3 the object is replaced every few seconds."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
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


class EventLog:
    """One run's events, and the view of its progress that the display shows."""

    def __init__(self, uri: str) -> None:
        self.address = parse_address(uri)
        self.lock = threading.Lock()
        self.tracker = Tracker()
        self.lines: list[bytes] = []
        self.written_at = 0.0
        self._take_old()

    def write(self, event: str, **fields: Any) -> None:
        """Add one event, now."""
        record = {"t": round(time.time(), 3), "event": event, **fields}
        with self.lock:
            self.tracker.take(record)
            with suppress(OSError, StoreError):  # a lost event loses nothing that counts; what counts raises elsewhere
                self._put(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS) + b"\n", event)

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

    def _put(self, line: bytes, event: str) -> None:
        if self.address.is_local:
            os.makedirs(os.path.dirname(self.address.path), exist_ok=True)
            with open(self.address.path, "ab") as file:
                file.write(line)
            return
        self.lines.append(line)
        if event != "progress" or time.monotonic() - self.written_at > S3_EVERY_S:
            self.written_at = time.monotonic()
            if len(self.lines) > MOST_EVENTS_ON_S3:
                self.lines = [old for old in self.lines if b'"event":"progress"' not in old][-1000:] + self.lines[
                    -1000:
                ]
            write_atomic(self.address.uri, b"".join(self.lines))
