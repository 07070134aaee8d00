"""run.json: what a run folder holds, which spec made it, every session that worked on it, what it cost."""

from __future__ import annotations

import hashlib
import platform
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rayjob.engine.events import EventLog
from rayjob.engine.tally import Tally, add_tallies
from rayjob.plan.fingerprint import differences, fingerprint, fingerprint_parts
from rayjob.plan.graph import Plan
from rayjob.plan.resolve import Resolved
from rayjob.plan.show import show_tree
from rayjob.reports.process import this_process
from rayjob.reports.progress import read_events
from rayjob.spec.choice import ChooseStep, TrainChoiceStep
from rayjob.spec.load import dump_spec
from rayjob.spec.model import JobSpec
from rayjob.spec.models import BudgetSpec
from rayjob.store import files
from rayjob.store.errors import StoreError
from rayjob.store.parquetread import count_rows
from rayjob.store.runfolder import RunFolder

NAME = "run.json"
PACKAGES = ("rayjob", "ray", "litellm", "pyarrow")
#: What a folder lacks while it is deleted for another spec.
CUT_SHORT = "part of what was here (an earlier `--resume changed` was cut short)"
#: What a change of spec deletes; the ledger stays, so that nothing is paid twice.
RESTARTED = ("labels", "failures", "stages", "checkpoints")


class ChangedSpecError(Exception):
    """The folder was made by another spec. `changes` says how they differ, a sentence each."""

    def __init__(self, path: str, changes: list[str]) -> None:
        self.path, self.changes = path, changes
        super().__init__(path)

    def __str__(self) -> str:
        what = "\n".join(f"  - {change}" for change in self.changes)
        return (
            f"{self.path} holds a run of another spec:\n{what}\n"
            "Two ways on: --output PATH to keep both, or --resume changed to label everything anew here "
            "(questions that did not change are answered from the ledger and cost nothing)."
        )


@dataclass
class Manifest:
    """The content of run.json, and the sums that this session adds to it."""

    folder: RunFolder
    resolved: Resolved
    plan: Plan
    run: str
    parts: dict[str, str]
    started: float
    sessions: list[dict[str, Any]]
    before: Tally
    status: str = "running"
    total: int | None = None
    session: Tally = field(default_factory=Tally)
    counts_before: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: RunFolder, resolved: Resolved, plan: Plan, resume_changed: bool) -> Manifest:
        """Begin or go on. Raises ChangedSpecError where the folder is another spec's, unless `resume_changed`."""
        parts = {**fingerprint_parts(resolved), **file_parts(resolved.job)}
        old = folder.read_json(NAME) or {}
        changed = bool(old) and old.get("parts") != parts
        if changed and not resume_changed:
            raise ChangedSpecError(folder.path, differences(old.get("parts", {}), parts))
        if changed:
            # A folder half deleted is nobody's any more: the spec before would take its checkpoint for its labels.
            folder.write_json(NAME, {**old, "parts": {**old.get("parts", {}), CUT_SHORT: ""}})
            start_anew(folder, len(old.get("sessions", ())))
        counts = {} if changed else old.get("counts", {})
        spent = spent_before(folder, old)
        before = Tally(**{name: spent[name] for name in SPENT if name in spent})
        manifest = cls(
            folder, resolved, plan, old.get("run") or f"{resolved.job.name}-{uuid.uuid4().hex[:8]}", parts,
            old.get("started") or time.time(), list(old.get("sessions", [])), before,
            total=counts.get("total"), counts_before=counts,
        )  # fmt: skip
        manifest.sessions.append({"started": round(time.time(), 3), "status": "running"})
        manifest.write()
        return manifest

    def facts(self) -> dict[str, Any]:
        """What the first event of a session says."""
        return {
            "run": self.run, "spec_hash": self.plan.hash()[:16], "fingerprint": fingerprint(self.parts),
            "total_samples": self.total, "stages": [stage.name for stage in self.plan.stages],
            "process": this_process(),
        }  # fmt: skip

    def base_tally(self) -> Tally:
        """What earlier stages and sessions did, for a display that counts the whole folder."""
        base = add_tallies([self.before, self.session])
        # As they stand: a killed session left no counts, and a sweep takes back what this one has counted as failed.
        base.rows_done = count_rows(self.folder.parquet("labels"))
        base.rows_failed = count_rows(self.folder.parquet("failures"))
        return base

    def take(self, tally: Tally) -> None:
        """Add what a stage spent."""
        self.session = add_tallies([self.session, tally])
        self.write()

    def budget_left(self) -> BudgetSpec | None:
        """The budget less what earlier sessions spent in this folder."""
        budget = self.resolved.job.budget
        if budget is None:
            return None
        left = budget.usd - self.before.cost_usd - self.session.cost_usd
        return budget.model_copy(update={"usd": max(left, 1e-9)})

    def most_failed(self) -> float | None:
        """The number of failed rows that stops the run; None: no number does."""
        most = self.resolved.job.run.max_failed
        if most is None:
            return None
        return most * (self.total or 0) if most < 1 else most

    def write(self, counts: dict[str, int] | None = None) -> None:
        """Write run.json."""
        spent = add_tallies([self.before, self.session])
        self.sessions[-1] |= {
            "ended": round(time.time(), 3), "status": self.status, "cost_usd": round(self.session.cost_usd, 6),
            "calls": self.session.calls, "ledger_hits": self.session.ledger_hits,
        }  # fmt: skip
        self.folder.write_json(
            NAME,
            {
                "run": self.run, "name": self.resolved.job.name, "status": self.status,
                "started": round(self.started, 3), "ended": None if self.status == "running" else round(time.time(), 3),
                "fingerprint": fingerprint(self.parts), "parts": self.parts, "spec_hash": self.plan.hash()[:16],
                "counts": counts or {**self.counts_before, "total": self.total},
                "cost_usd": round(spent.cost_usd, 6),
                "tokens": {name: getattr(spent, f"{name}_tokens") for name in ("prompt", "cached", "completion")},
                "spent": {name: getattr(spent, name) for name in SPENT}, "errors": dict(sorted(spent.errors.items())),
                "sessions": self.sessions, "resumes": self.sessions[1:], "versions": versions(),
                "dimensions": self.resolved.selects(),
                "taxonomy_hash": self.resolved.taxonomy.hash[:16],
                "spec": dump_spec(self.resolved.job), "plan_text": show_tree(self.plan, self.resolved),
            },
        )  # fmt: skip


def start_anew(folder: RunFolder, sessions: int) -> None:
    """Delete what another spec made. Its review sheets hold the answers of people and labels of its models: they are
    set aside as `review-N/` after N sessions, so that nobody's work is lost and no label is taken for a person's."""
    for name in RESTARTED:
        files.delete_folder(folder.at(name))
    for uri in files.list_folder(folder.at("review")):
        files.write_atomic(folder.at(f"review-{sessions}", uri.rpartition("/")[2]), files.read_bytes(uri))
        files.delete(uri)


#: Of sessions that ended without a last word: their sums stand in the events alone.
UNFINISHED = ("running", "interrupted")


def file_parts(job: JobSpec) -> dict[str, str]:
    """`{part: 12 hex digits}` over the content of the files that choice steps read: weights, ready pairs, rows of other
    domains. A file that is not there yet counts as none; the step says so when it comes to it."""
    named: dict[str, str] = {}
    for step in job.steps:
        settings = step.settings
        for field_name in ("weights", "pairs"):
            file = getattr(settings, field_name, None)
            if isinstance(settings, ChooseStep | TrainChoiceStep) and isinstance(file, str):
                named[f"file {step.name}.{field_name}"] = file
        if isinstance(settings, TrainChoiceStep):
            for name, rows in settings.others().items():
                named[f"file {step.name}.other.{name}"] = rows.path
                named |= {f"file {step.name}.other.{name}.pairs": rows.pairs} if rows.pairs else {}
    return {part: _content(file) for part, file in sorted(named.items()) if files.exists(file)}


def _content(file: str) -> str:
    digest = hashlib.sha256()
    with files.open_input(file) as source:
        while piece := source.read(8 << 20):
            digest.update(piece)
    return digest.hexdigest()[:12]


SPENT = ("calls", "ledger_hits", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd")


def spent_before(folder: RunFolder, old: Mapping[str, Any]) -> dict[str, Any]:
    """What earlier sessions spent. A killed one wrote no sum, only events: without them a budget would start anew."""
    spent = {name: value for name, value in old.get("spent", {}).items() if name in SPENT}
    if old.get("status") not in UNFINISHED or not files.exists(folder.at("events.jsonl")):
        return spent
    events = read_events(files.read_bytes(folder.at("events.jsonl")).decode(errors="replace"))
    last = next((event for event in reversed(events) if "cost_usd" in event), {})
    return {name: max(spent.get(name, 0), last.get(name, 0)) for name in SPENT}


def mark_interrupted(path: str, why: str) -> None:
    """Say in a run's folder that its driver is gone, on its behalf. A folder that cannot be written stays as is."""
    folder = RunFolder(path)
    with suppress(OSError, StoreError):
        found = folder.read_json(NAME)
        if found is None or found.get("status") != "running":
            return
        last = {**found["sessions"][-1], "status": "interrupted", "ended": round(time.time(), 3)}
        sessions = [*found["sessions"][:-1], last]
        folder.write_json(NAME, {**found, "status": "interrupted", "sessions": sessions, "resumes": sessions[1:]})
        log = EventLog(folder.at("events.jsonl"))
        log.write("note", message=f"interrupted: {why}")
        log.write("run_done", status="interrupted")


def versions() -> dict[str, str]:
    """Of Python and the packages that matter to a run."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
