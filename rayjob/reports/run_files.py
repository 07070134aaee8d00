"""Reads how far a run is from its output folder alone, local or s3://, from any machine. Never writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayjob.reports.problems import RunProblem, find_problems
from rayjob.reports.progress import ProgressView, Tracker, read_event
from rayjob.store import files
from rayjob.store.runfolder import RunFolder

EVENTS = "events.jsonl"


class ReportError(Exception):
    """There is nothing to report on; the text says what was looked for and where."""


@dataclass
class RunReader:
    """Follows one run: each `poll` reads only what events.jsonl has gained since the last one."""

    path: str
    tracker: Tracker = field(default_factory=Tracker)
    offset: int = 0
    rest: bytes = b""

    def poll(self, now: float | None = None) -> ProgressView:
        """The run as of `now` (unix seconds). Raises ReportError where no run is, StoreError where nobody can tell."""
        events = RunFolder(self.path).at(EVENTS)
        if not files.exists(events):
            return self._from_manifest()
        size = files.size(events)
        if size < self.offset:  # written anew: another run took the folder, or the log was thinned out
            self.tracker, self.offset, self.rest = Tracker(), 0, b""
        self._take(self._read_from(events, size))
        return self.tracker.view(now)

    def problems(self) -> tuple[RunProblem, ...]:
        """What stats.json says went wrong; empty before it is written."""
        return find_problems(RunFolder(self.path).read_json("stats.json") or {})

    def _from_manifest(self) -> ProgressView:
        run = RunFolder(self.path).read_json("run.json")
        if run is None:
            raise ReportError(f"{self.path}: no run here: neither {EVENTS} nor run.json; give a run's output folder")
        tracker = Tracker()
        tracker.take_run(run)
        return tracker.view()

    def _read_from(self, uri: str, size: int) -> bytes:
        with files.open_input(uri) as file:
            file.seek(self.offset)
            found = bytes(file.read(size - self.offset))
        self.offset += len(found)
        return found

    def _take(self, found: bytes) -> None:
        *lines, self.rest = (self.rest + found).split(b"\n")
        for line in lines:
            if event := read_event(line.decode(errors="replace")):
                self.tracker.take(event)
