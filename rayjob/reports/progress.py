"""How far a run is, from what it wrote: events.jsonl (and run.json) → ProgressView. Opens no file, asks no clock.

events.jsonl is one JSON object a line, each with `t` (unix seconds) and `event`, one of:

    run_started    run, spec_hash, fingerprint, total_samples (or null), stages [name], process {where, pid, began}
    stage_started  stage, rows (or null)
    progress       rows_done, rows_failed, in_flight (calls), calls, calls_per_s, prompt_tokens, cached_tokens,
                   completion_tokens, cost_usd, ledger_hits, errors {kind: count}, oldest_s, step_in_flight {step: n},
                   limits {model: {concurrency, in_use, rpm, tpm, waiting, state}}, phase, detail (how far a phase
                   without calls is, as text), busy (true: it is at work and nothing of it can be counted)
    note           message
    stalled        message, step, in_flight, oldest_s
    budget         state (ok, or what is done about it), spent_usd, limit_usd; whenever the state changes
    stage_done     stage, rows, wall_s
    run_done       status, counts {total, done, failed}

Every key but `t` and `event` may be missing, and keys not named here are ignored. Counters are of the whole run folder:
a resumed run (another run_started in the same file) goes on counting where it stopped. `errors` counts attempts that
failed, also those that went well on the next one. A line that is no JSON object (the last, half written) is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rayjob.reports.wording import budget_text, by_count, say_s, where_stuck

RATE_WINDOW_S = 60.0  # rates follow a change of limits within a minute
RATE_ROWS = 20  # fewer rows than this in the window say less than the whole phase does
STALL_AFTER_S = 120.0  # twice the slowest usual call
SILENT_AFTER_S = 120.0  # labelling writes every two seconds (to S3: ten), but a stage without calls may be silent
KEPT_POINTS = 1000
DENSE_POINTS = 400  # the newest are never thinned out: the rate window lies in them

COUNTERS = (
    "phase", "detail", "rows_done", "rows_failed", "in_flight", "calls", "calls_per_s", "prompt_tokens",
    "cached_tokens", "completion_tokens", "cost_usd", "ledger_hits",
)  # fmt: skip

MOVES = ("rows_done", "rows_failed", "calls", "phase", "detail")  # a change of one of these is no stall
COUNTED = ("rows_done", "rows_failed", "in_flight", "calls")  # of a Point, in its order

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LimitView:
    """One model's limits as the governor last saw them. `state` is ok, or what it is doing about trouble."""

    model: str
    concurrency: float = 0
    in_use: float = 0
    rpm: float = 0
    tpm: float = 0
    waiting: int = 0
    state: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """The counters at one moment; `active_s` is time since the start without the pauses between sessions."""

    active_s: float
    done: int
    failed: int
    in_flight: int
    calls: int
    cost_usd: float

    @property
    def finished(self) -> int:
        """Rows that need no more work."""
        return self.done + self.failed


@dataclass(frozen=True, slots=True)
class ProgressView:
    """A run at one moment. Times in seconds, cost in US dollars; None where nothing can be said yet."""

    run: str = ""
    status: str = "running"
    phase: str = ""
    detail: str = ""
    stage: str = ""
    total: int | None = None
    rows_done: int = 0
    rows_failed: int = 0
    in_flight: int = 0
    calls: int = 0
    calls_per_s: float = 0.0
    rows_per_s: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    ledger_hits: int = 0
    elapsed_s: float = 0.0
    eta_s: float | None = None
    errors: tuple[tuple[str, int], ...] = ()
    limits: tuple[LimitView, ...] = ()
    budget: str = ""
    stuck: str = ""
    notes: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()

    @property
    def finished(self) -> int:
        """Rows that need no more work, labelled or failed."""
        return self.rows_done + self.rows_failed

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.status != "running"


def read_events(text: str) -> list[Event]:
    """The events in a piece of events.jsonl; lines that are no JSON object are skipped."""
    return [event for line in text.splitlines() if (event := read_event(line))]


def read_event(line: str) -> Event:
    """One line's event, empty when the line is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("t"), int | float) else {}


def view_of(events: Iterable[Event], run: Event | None = None, now: float | None = None) -> ProgressView:
    """The view after all events. `now` (unix seconds) tells a silent run from a slow one; None: do not judge that."""
    tracker = Tracker()
    tracker.take_run(run or {})
    for event in events:
        tracker.take(event)
    return tracker.view(now)


@dataclass
class Tracker:
    """Takes events one after the other and gives the view at any moment."""

    run: str = ""
    status: str = "running"
    stage: str = ""
    total: int | None = None
    latest: Event = field(default_factory=dict)
    ended: Event = field(default_factory=dict)
    budget: Event = field(default_factory=dict)
    stalled: Event = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    process: Event = field(default_factory=dict)  # the driver of the last session
    rate_point: int = 0  # index in `points` of the first one of this session and phase
    session_t: float = 0.0
    before_s: float = 0.0  # what earlier sessions took
    last_t: float = 0.0
    moved_t: float = 0.0  # when a row or a call last finished, or the phase changed

    def take_run(self, run: Event) -> None:
        """What run.json knows; events that follow know better."""
        self.run = str(run.get("run", self.run))
        self.status = str(run.get("status", self.status))
        counts = run.get("counts") or {}
        self.total = counts.get("total", self.total)
        self.latest = {
            "rows_done": counts.get("done", 0),
            "rows_failed": counts.get("failed", 0),
            "cost_usd": run.get("cost_usd", 0.0),
        }

    def take(self, event: Event) -> None:
        """One event, in the order of the file."""
        t = float(event["t"])
        if event.get("event") == "run_started":
            self.before_s, self.session_t = self.active_s, t
        self.last_t = max(self.last_t, t)
        handler = getattr(self, f"_{event.get('event')}", None)
        if handler:
            handler(event)

    def _run_started(self, event: Event) -> None:
        self.moved_t = float(event["t"])
        self.rate_point = len(self.points)
        self.run, self.status = str(event.get("run", self.run)), "running"
        self.process = event.get("process") or {}
        self.total = event.get("total_samples") or self.total
        self.ended, self.stalled = {}, {}

    def _stage_started(self, event: Event) -> None:
        self.stage = str(event.get("stage", ""))
        self.total = self.total or event.get("rows")
        self.moved_t = float(event["t"])

    def _stage_done(self, event: Event) -> None:
        self.moved_t = float(event["t"])

    def _progress(self, event: Event) -> None:
        before, self.latest = self.latest, {**self.latest, **event}
        if event.get("busy") or any(self.latest.get(key) != before.get(key) for key in MOVES):
            self.moved_t, self.stalled = float(event["t"]), {}
        if self.latest.get("phase") != before.get("phase"):
            self.rate_point = len(self.points)
        if "calls" in event:
            self._keep_point(event)

    def _keep_point(self, event: Event) -> None:
        done, failed, flying, calls = (int(event.get(key) or 0) for key in COUNTED)
        self.points.append(Point(self.active_s, done, failed, flying, calls, float(event.get("cost_usd") or 0)))
        if len(self.points) > KEPT_POINTS:
            kept = self.points[:-DENSE_POINTS:2] + self.points[-DENSE_POINTS:]
            self.rate_point = max(0, self.rate_point - (len(self.points) - len(kept)))
            self.points = kept

    def _note(self, event: Event) -> None:
        self.notes = [*self.notes, str(event.get("message", ""))][-20:]

    def _stalled(self, event: Event) -> None:
        self.stalled = event

    def _budget(self, event: Event) -> None:
        self.budget = event

    def _run_done(self, event: Event) -> None:
        self.ended = event
        self.status = str(event.get("status", "done"))
        counts = event.get("counts") or {}
        self.total = counts.get("total", self.total)
        renamed = {"rows_done": counts.get("done"), "rows_failed": counts.get("failed"), "in_flight": 0, "phase": ""}
        self.latest = {**self.latest, **{key: value for key, value in renamed.items() if value is not None}}
        if self.points:
            self._keep_point(self.latest)

    @property
    def active_s(self) -> float:
        """Seconds of work so far, all sessions together."""
        return self.before_s + (self.last_t - self.session_t if self.session_t else 0.0)

    def view(self, now: float | None = None) -> ProgressView:
        """The run as of `now` (unix seconds; None: as of its last event)."""
        seen, is_running = self.latest, self.status == "running"
        per_s = self.rate(lambda point: point.finished) if is_running else 0.0
        left = (self.total or 0) - int(seen.get("rows_done", 0)) - int(seen.get("rows_failed", 0))
        counters = {key: seen[key] for key in COUNTERS if seen.get(key) is not None}
        counters.setdefault("calls_per_s", self.rate(lambda point: point.calls) if is_running else 0.0)
        return ProgressView(
            run=self.run,
            status=self.status,
            stage=self.stage,
            total=self.total,
            rows_per_s=per_s,
            elapsed_s=self.active_s + max(0.0, (now or self.last_t) - self.last_t if is_running and now else 0.0),
            eta_s=left / per_s if self.total and per_s and left >= 0 else None,
            errors=by_count(seen.get("errors") or {}),
            limits=tuple(limit_view(name, found) for name, found in sorted((seen.get("limits") or {}).items())),
            budget=budget_text(self.budget, float(seen.get("cost_usd") or 0)),
            stuck=self.stuck(now) if is_running else "",
            notes=tuple(self.notes),
            points=tuple(self.points),
            **counters,
        )

    def rate(self, count: Callable[[Point], int]) -> float:
        """What `count` grew a second over the last minute; since the phase began where the minute holds too little."""
        phase = self.points[self.rate_point :]
        if len(phase) < 2:
            return 0.0
        last = phase[-1]
        window = next(point for point in phase if point.active_s >= last.active_s - RATE_WINDOW_S)
        first = window if count(last) - count(window) >= RATE_ROWS else phase[0]
        spent_s = last.active_s - first.active_s
        return max(0, count(last) - count(first)) / spent_s if spent_s > 0 else 0.0

    def stuck(self, now: float | None) -> str:
        """What is stuck and for how long; empty while things move."""
        silent_s = now - self.last_t if now and self.last_t else 0.0
        if silent_s >= SILENT_AFTER_S:
            doing = self.latest.get("phase") or self.stage or "starting"
            return f"no news for {say_s(silent_s)}: {doing} takes long, or the run is gone and the same command goes on"
        if self.stalled:
            return str(self.stalled.get("message") or where_stuck(self.stalled))
        still_s = self.last_t - self.moved_t
        if still_s < STALL_AFTER_S:
            return ""
        return f"nothing has finished for {say_s(still_s)}: {where_stuck(self.latest)}"


def limit_view(model: str, found: Event) -> LimitView:
    """One entry of `limits`; missing numbers are 0 (no limit known)."""
    names = ("concurrency", "in_use", "rpm", "tpm", "waiting")
    return LimitView(model, **{name: found.get(name) or 0 for name in names}, state=str(found.get("state") or ""))
