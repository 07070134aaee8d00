"""Events of a run, folded into what a person wants to know of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rayjob.reports.progress import LimitView, ProgressView, Tracker, read_events, view_of
from rayjob.reports.wording import say_s

START: dict[str, Any] = {"t": 1000.0, "event": "run_started", "run": "sft", "total_samples": 1000, "stages": ["label"]}


def progress(t: float, done: int, **more: Any) -> dict[str, Any]:
    return {"t": t, "event": "progress", "rows_done": done, "calls": 0, "phase": "labelling", **more}


EVERY_KIND: list[dict[str, Any]] = [
    {**START, "spec_hash": "s", "fingerprint": "f"},
    {"t": 1000.5, "event": "note", "message": "starting Ray"},
    {"t": 1001.0, "event": "stage_started", "stage": "label", "rows": 1000},
    progress(
        1010.0,
        100,
        rows_failed=2,
        in_flight=50,
        calls=204,
        calls_per_s=20.4,
        prompt_tokens=1000,
        cached_tokens=600,
        completion_tokens=90,
        cost_usd=0.5,
        limits={"worker": {"concurrency": 64, "in_use": 50, "rpm": 600, "tpm": None, "waiting": 3, "state": "ok"}},
        errors={"timeout": 1, "overload": 7},
        oldest_s=4.0,
        step_in_flight={"character": 30, "capability": 20},
        ledger_hits=5,
    ),
    {"t": 1011.0, "event": "budget", "state": "skip_arbitration", "spent_usd": 310.2, "limit_usd": 500},
    {"t": 1012.0, "event": "stalled", "message": "stuck in capability", "step": "capability"},
    {"t": 1020.0, "event": "stage_done", "stage": "label", "rows": 1000, "wall_s": 19.0},
    {"t": 1021.0, "event": "run_done", "status": "failed_rows", "counts": {"total": 1000, "done": 990, "failed": 10}},
    {"t": 1022.0, "event": "not known here"},
]


def test_every_event_of_the_schema_is_read_from_its_line() -> None:
    text = "\n".join(json.dumps(event) for event in EVERY_KIND)
    running = view_of(read_events(text)[:5])
    assert running == ProgressView(
        run="sft",
        status="running",
        phase="labelling",
        stage="label",
        total=1000,
        rows_done=100,
        rows_failed=2,
        in_flight=50,
        calls=204,
        calls_per_s=20.4,
        prompt_tokens=1000,
        cached_tokens=600,
        completion_tokens=90,
        cost_usd=0.5,
        ledger_hits=5,
        elapsed_s=11.0,
        errors=(("overload", 7), ("timeout", 1)),
        limits=(LimitView("worker", 64, 50, 600, 0, 3, "ok"),),
        budget="$310.20 of $500.00, skip_arbitration",
        notes=("starting Ray",),
        points=running.points,
    )
    assert view_of(read_events(text)[:6]).stuck == "stuck in capability"
    over = view_of(read_events(text), now=9000.0)
    assert (over.status, over.rows_done, over.rows_failed, over.stuck, over.is_over) == (
        "failed_rows",
        990,
        10,
        "",
        True,
    )


def test_half_a_line_and_junk_are_skipped() -> None:
    text = '[1]\nnull\n{"event":"note"}\n{"t":"x"}\n' + json.dumps(START) + '\n{"t": 1001, "event": "progr'
    assert [event["event"] for event in read_events(text)] == ["run_started"]


@pytest.mark.parametrize("event", ["run_started", "stage_started", "progress", "note", "stalled", "budget", "run_done"])
def test_an_event_without_its_keys_is_no_error(event: str) -> None:
    assert view_of([{"t": 1.0, "event": event}]).rows_done == 0


def test_rate_and_eta_follow_the_last_minute() -> None:
    slow_then_fast = [progress(1000.0 + s, min(s, 100) + max(0, s - 100) * 3) for s in range(0, 201, 2)]
    view = view_of([START, *slow_then_fast])
    assert view.rows_per_s == pytest.approx(3.0)
    assert view.eta_s == pytest.approx((1000 - 400) / 3)


def test_few_rows_in_the_minute_take_the_whole_session() -> None:
    events = [progress(1000.0 + 10 * s, s // 5) for s in range(61)]
    assert view_of([START, *events]).rows_per_s == pytest.approx(12 / 600)


def test_a_resumed_run_counts_on_but_its_rate_is_its_own() -> None:
    first = [START, progress(1002.0, 0), progress(1010.0, 400)]
    pause_s = 86400
    again = [{**START, "t": 1010.0 + pause_s}, progress(1011.0 + pause_s, 400), progress(1021.0 + pause_s, 420)]
    view = view_of([*first, *again])
    assert (view.rows_done, view.rows_per_s, view.elapsed_s) == (420, 2.0, 21.0)
    assert view.eta_s == pytest.approx(580 / 2)
    assert [point.active_s for point in view.points] == [2.0, 10.0, 11.0, 21.0]


def test_events_that_only_name_a_phase_leave_rate_and_picture_alone() -> None:
    phase = {"t": 1001.0, "event": "progress", "phase": "input read", "rows_done": 0}
    events = [START, progress(1000.5, 400, phase="starting Ray"), phase, progress(1010.0, 400), progress(1020.0, 420)]
    view = view_of(events)
    assert (view.rows_per_s, view.phase) == (2.0, "labelling")
    assert [point.done for point in view.points] == [400, 400, 420]


def test_no_eta_without_a_total_or_a_rate() -> None:
    assert view_of([{**START, "total_samples": None}, progress(1001, 1), progress(1009, 99)]).eta_s is None
    assert view_of([START, progress(1001, 0)]).eta_s is None


def test_a_stage_gives_the_total_where_the_run_cannot() -> None:
    stage = {"t": 1001, "event": "stage_started", "stage": "label", "rows": 200}
    assert view_of([{**START, "total_samples": None}, stage, progress(1001, 0), progress(1011, 100)]).eta_s == 10.0


def test_stuck_says_where_how_many_and_how_long() -> None:
    held = {
        "in_flight": 120,
        "oldest_s": 185,
        "step_in_flight": {"capability": 80, "character": 40},
        "limits": {"worker": {"waiting": 20}, "judge": {"waiting": 0}},
    }
    events = [START, progress(1010, 5, **held), progress(1012, 5, **held), progress(1200, 5, **held)]
    assert view_of(events[:3]).stuck == ""
    assert view_of(events).stuck == (
        "nothing has finished for 3 min 10 s: 120 rows in flight, 80 in capability, 40 in character, "
        "the oldest for 3 min 5 s; 20 wait for worker"
    )
    assert view_of([*events, progress(1202, 6, **held)]).stuck == ""


def test_stuck_before_anything_is_in_flight_names_the_phase() -> None:
    events = [START, progress(1001, 0, phase="starting 2 LLM actors"), progress(1150, 0, phase="starting 2 LLM actors")]
    assert view_of(events).stuck.endswith("nothing is in flight (phase: starting 2 LLM actors)")


def test_a_phase_without_calls_is_stuck_only_where_its_count_stands_still() -> None:
    def reading(t: float, detail: str = "", busy: bool = False) -> dict[str, Any]:
        return {"t": t, "event": "progress", "phase": "reading the input", "detail": detail, "busy": busy}

    counted = [START, reading(1001), reading(1100, "90 rows so far"), reading(1200, "91 rows so far")]
    assert (view_of(counted).stuck, view_of(counted).detail) == ("", "91 rows so far")
    still = view_of([*counted, reading(1330, "91 rows so far")]).stuck
    assert still == "nothing has finished for 2 min 10 s: nothing is in flight (phase: reading the input)"
    assert view_of([START, reading(1001), reading(1400, busy=True)]).stuck == ""


def test_the_engine_s_own_word_on_a_stall_stands_until_something_moves() -> None:
    stalled = {"t": 1100, "event": "stalled", "step": "capability", "in_flight": 3, "oldest_s": 99}
    events = [START, progress(1010, 5), stalled]
    assert view_of(events).stuck == "3 rows in flight, 3 in capability, the oldest for 1 min 39 s"
    assert view_of([*events, progress(1111, 6)]).stuck == ""


def test_a_silent_run_is_told_from_a_finished_one() -> None:
    events: list[dict[str, Any]] = [START, progress(1010, 5)]
    assert view_of(events, now=1100).stuck == ""
    silent = view_of(events, now=1010 + 3700).stuck
    assert silent == "no news for 1 h 1 min: labelling takes long, or the run is gone and the same command goes on"
    assert view_of([*events, {"t": 1011, "event": "run_done", "status": "done"}], now=9999).stuck == ""


def test_run_json_alone_gives_the_counts() -> None:
    run = {"run": "sft", "status": "done", "counts": {"total": 9, "done": 8, "failed": 1}, "cost_usd": 0.25}
    view = view_of([], run)
    assert (view.run, view.status, view.total, view.finished, view.cost_usd) == ("sft", "done", 9, 9, 0.25)


def test_a_long_run_keeps_few_points_and_its_rate() -> None:
    tracker = Tracker()
    tracker.take(START)
    for second in range(0, 20_000, 2):
        tracker.take(progress(1000.0 + second, second * 5))
    assert 400 < len(tracker.points) <= 1001
    assert tracker.view().rows_per_s == pytest.approx(5.0)
    assert tracker.points[0].done == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (273_600, "3 d 4 h")],
)
def test_times_are_said_in_two_units(seconds: float, text: str) -> None:
    assert say_s(seconds) == text
