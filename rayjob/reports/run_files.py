"""Reads how far a run is from its output folder alone, local or s3://, from any machine. Never writes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rayjob.reports.problems import RunProblem, find_problems
from rayjob.reports.process import is_gone
from rayjob.reports.progress import ProgressView, Tracker, read_event
from rayjob.store import files
from rayjob.store.runfolder import RunFolder

EVENTS = "events.jsonl"
FILES_READ, ROWS_READ = 4, 1_000  # for examples of failures: a few seconds' reading at most


class ReportError(Exception):
    """There is nothing to report on; the text says what was looked for and where."""


def read_problems(path: str) -> tuple[RunProblem, ...]:
    """The problems of the run in a folder, each kind of failure with the message of one; empty before stats.json is."""
    folder = RunFolder(path)
    stats = folder.read_json("stats.json") or {}
    examples = read_examples(folder) if stats.get("failures") else {}
    return find_problems(stats, folder.read_json("run.json"), examples)


def read_examples(folder: RunFolder) -> dict[str, str]:
    """One message of each kind of failure, from the first files of failures/."""
    import pyarrow.parquet as pq

    messages: dict[str, str] = {}
    for uri in folder.parquet("failures")[:FILES_READ]:
        with files.open_input(uri) as source:
            for row in pq.read_table(source, columns=["kind", "message"]).slice(0, ROWS_READ).to_pylist():
                messages.setdefault(row["kind"], row["message"] or "")
    return messages


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
        view = self.tracker.view(now)
        if view.is_over or not is_gone(self.tracker.process):
            return view
        return replace(view, status="interrupted", in_flight=0, stuck="")

    def problems(self) -> tuple[RunProblem, ...]:
        """What stats.json says went wrong; empty before it is written."""
        return read_problems(self.path)

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
