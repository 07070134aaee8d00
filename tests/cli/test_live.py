"""What a run looks like on a terminal, in a pipe, and at its end: golden texts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from rayjob.cli.live import Ending, LiveDisplay, draw, summarise, write_line
from rayjob.cli.style import THEME, make_console
from rayjob.cli.watch import follow
from rayjob.reports.problems import RunProblem
from rayjob.reports.progress import LimitView, ProgressView
from rayjob.reports.run_files import ReportError, RunReader
from rayjob.reports.wording import short

RUNNING = ProgressView(
    run="code-sft",
    phase="labelling",
    total=10_000,
    rows_done=4_088,
    rows_failed=12,
    in_flight=50,
    calls=8_204,
    calls_per_s=20.4,
    rows_per_s=10.25,
    prompt_tokens=41_000_000,
    cached_tokens=24_600_000,
    completion_tokens=90_400,
    cost_usd=12.5,
    ledger_hits=5,
    elapsed_s=400,
    eta_s=575.6,
    errors=(("overload", 7), ("timeout", 1)),
    limits=(LimitView("judge", 8, 0), LimitView("worker", 64, 50, 600, 2_000_000, 3, "paused")),
    budget="$12.50 of $50.00",
)
DONE = replace(RUNNING, status="failed_rows", phase="", rows_done=9_980, rows_failed=20, in_flight=0, eta_s=None)


def text_of(shown: RenderableType, width: int = 100) -> str:
    """What a console of that width shows, without trailing spaces."""
    file = io.StringIO()
    Console(file=file, width=width, theme=THEME, highlight=False).print(shown)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def test_the_display_of_a_running_run() -> None:
    assert text_of(draw(RUNNING)) == (
        "code-sft  labelling  6 min 40 s\n"
        "━━━━━━━━━━━━━━━━                          41 %  4,100 of 10,000 rows  9 min 36 s left\n"
        "rows    4,088 labelled · 12 failed · 10.2/s\n"
        "calls   8,204 · 50 in flight · 20.4/s · 5 from the ledger\n"
        "tokens  41M in (60 % cached) · 90.4k out\n"
        "cost    $12.50 · about $30.49 for all · budget $12.50 of $50.00\n"
        "limit   judge 0/8 slots\n"
        "limit   worker 50/64 slots · 600 rpm · 2M tpm · 3 waiting · paused\n"
        "errors  overload 7 · timeout 1"
    )


def test_the_display_of_a_run_that_is_starting_or_stuck() -> None:
    starting = text_of(draw(ProgressView(run="code-sft", phase="starting 2 LLM actors", elapsed_s=4)))
    assert starting.startswith("code-sft  starting 2 LLM actors  4 s\n")
    assert "0 rows" in starting
    stuck = text_of(draw(replace(RUNNING, stuck="nothing has finished for 3 min", notes=("one", "two"))))
    assert stuck.endswith("note    two\n! nothing has finished for 3 min")


def test_a_phase_that_is_counted_says_how_far_it_is() -> None:
    reading = ProgressView(run="code-sft", phase="reading the input", detail="3,000 rows so far", elapsed_s=70)
    assert text_of(draw(reading)).startswith("code-sft  reading the input, 3,000 rows so far  1 min 10 s\n")
    assert write_line(reading) == "1 min 10 s: reading the input, 3,000 rows so far"
    assert "so far" not in write_line(replace(reading, status="done"))


def test_a_line_for_a_log() -> None:
    assert write_line(RUNNING) == (
        "6 min 40 s: labelling: 41 %  4,100 of 10,000 rows, 12 failed, 50 calls in flight, 20.4/s, 41.1M tokens, "
        "$12.50, 9 min 36 s left, overload 7, timeout 1"
    )
    assert write_line(ProgressView(phase="starting Ray", elapsed_s=4)) == "4 s: starting Ray"
    assert write_line(DONE).startswith("6 min 40 s: failed_rows: 100 %  10,000 of 10,000 rows, 20 failed, 41.1M tokens")
    assert write_line(replace(RUNNING, stuck="stuck")).endswith("timeout 1; stuck")


def test_the_last_words() -> None:
    problems = [RunProblem(20 - n, f"problem {n}", f"mend {n}", "no such model" * (n == 0)) for n in range(5)]
    assert text_of(summarise(Ending(DONE, "s3://corpus/out/", problems))) == (
        "code-sft: done, some rows failed  6 min 40 s\n"
        "9,980 labelled  s3://corpus/out/labels/\n"
        "20 failed       s3://corpus/out/failures/\n"
        "report          s3://corpus/out/report.html\n"
        "8,204 calls · 41M in (60 % cached) · 90.4k out · $12.50\n"
        "! problem 0\n  no such model\n  mend 0\n! problem 1\n  mend 1\n! problem 2\n  mend 2\n"
        "  2 more in the report"
    )


def test_the_last_words_of_a_clean_run_name_no_failures() -> None:
    clean = text_of(summarise(Ending(replace(DONE, status="done", rows_failed=0), "out")))
    assert clean.startswith("code-sft: done  6 min 40 s")
    assert "failures" not in clean
    assert "!" not in clean


def test_the_last_words_of_a_run_that_asks_nobody_speak_of_no_calls() -> None:
    chosen = ProgressView(run="choice", status="done", rows_done=40, elapsed_s=21)
    assert text_of(summarise(Ending(chosen, "out"))) == (
        "choice: done  21 s\n40 labelled  out/labels/\nreport       out/report.html"
    )
    trained = text_of(summarise(Ending(replace(chosen, run="choice-train", rows_done=0), "out")))
    assert trained == "choice-train: done  21 s\nreport  out/report.html"


def test_a_stopped_run_says_how_to_go_on() -> None:
    assert "the same command goes on" in text_of(summarise(Ending(replace(DONE, status="stopped"), "out")))
    assert "ends early" in text_of(summarise(Ending(DONE, "out", message="ends early")))


def test_text_from_outside_is_not_read_as_markup() -> None:
    odd = replace(RUNNING, run="[red]x[/red]", phase="[/nope]", notes=("[bold]",), errors=(("[x]", 1),), stuck="[/]")
    assert "[red]x[/red]" in text_of(draw(odd))
    assert "[/nope]" in write_line(odd)
    text_of(summarise(Ending(odd, "[/out]", [RunProblem(1, "[/what]", "[/do]")])))
    file = io.StringIO()
    with LiveDisplay(make_console(file)) as display:
        display.show(odd)
    assert "[/nope]" in file.getvalue()


def ticking(*times: float) -> Callable[[], float]:
    """A clock that shows these times, one after the other."""
    left: Iterator[float] = iter(times)
    return lambda: next(left)


def test_piped_a_line_comes_when_due_or_when_something_changed() -> None:
    file = io.StringIO()
    # One look at the clock to see whether a line is due, one more to set when the next is.
    clock = ticking(0, 2, 6, 6, 7)
    with LiveDisplay(make_console(file), line_every_s=5, clock=clock) as display:
        display.show(RUNNING)
        display.show(replace(RUNNING, rows_done=4_100))
        display.show(replace(RUNNING, rows_done=4_200))
        display.show(replace(RUNNING, phase="writing stats and report", notes=("3 files passed over",)))
    lines = file.getvalue().splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        "labelling", "labelling", "3 files passed over", "writing stats and report",
    ]  # fmt: skip
    assert "4,212 of 10,000" in lines[1]
    assert not any("\x1b" in line for line in lines)
    assert all(len(line) > 80 or line.startswith("note") for line in lines)


def test_on_a_terminal_the_display_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, theme=THEME, color_system=None)
    with LiveDisplay(console) as display:
        display.show(RUNNING)
        display.show(DONE)
    assert "4,088 labelled" in file.getvalue()
    assert file.getvalue().rstrip("\n").endswith("\x1b[2K")


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = io.StringIO()
    with LiveDisplay(Console(file=file, force_terminal=True, width=200, theme=THEME)) as display:
        display.show(RUNNING)
    assert "4,100 of 10,000" in file.getvalue()


def test_no_colour_in_a_pipe_and_under_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    make_console(file).print(draw(RUNNING))
    assert "\x1b" not in file.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    forced = Console(file=io.StringIO(), force_terminal=True, theme=THEME)
    assert forced.no_color


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (9_999, "9,999"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (999_999, "1M"),
        (4_560_000, "4.56M"),
        (7e9, "7B"),
    ],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert short(number) == text


EVENTS = [
    {"t": 1000.0, "event": "run_started", "run": "code-sft", "total_samples": 10},
    {"t": 1002.0, "event": "progress", "phase": "labelling", "rows_done": 4, "calls": 8},
    {"t": 1004.0, "event": "run_done", "status": "done", "counts": {"total": 10, "done": 10, "failed": 0}},
]


def append(folder: Path, text: str) -> None:
    with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_reader_follows_a_growing_log_and_waits_for_whole_lines(tmp_path: Path) -> None:
    lines = [json.dumps(event) + "\n" for event in EVENTS]
    reader = RunReader(str(tmp_path))
    append(tmp_path, lines[0] + lines[1][:30])
    assert reader.poll(1001.0).rows_done == 0
    append(tmp_path, lines[1][30:])
    assert reader.poll(1003.0).rows_done == 4
    append(tmp_path, lines[2])
    assert reader.poll(1005.0).status == "done"


def test_a_log_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    reader = RunReader(str(tmp_path))
    append(tmp_path, "".join(json.dumps(event) + "\n" for event in EVENTS))
    assert reader.poll().status == "done"
    (tmp_path / "events.jsonl").unlink()
    append(tmp_path, json.dumps(EVENTS[0]) + "\n")
    assert reader.poll().status == "running"


def test_without_a_log_run_json_is_enough_and_without_both_it_says_so(tmp_path: Path) -> None:
    reader = RunReader(str(tmp_path))
    with pytest.raises(ReportError, match=r"no run here: neither events.jsonl nor run.json"):
        reader.poll()
    run = {"run": "code-sft", "status": "done", "counts": {"total": 3, "done": 3}}
    (tmp_path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert (reader.poll().status, reader.poll().rows_done) == ("done", 3)
    assert reader.problems() == ()


def test_watching_ends_with_the_run(tmp_path: Path) -> None:
    left = [json.dumps(event) + "\n" for event in EVENTS]
    append(tmp_path, left.pop(0))
    file = io.StringIO()
    with LiveDisplay(make_console(file)) as display:
        follow(RunReader(str(tmp_path)), display, lambda: append(tmp_path, left.pop(0)))
    assert left == []
    assert "done: 100 %  10 of 10 rows" in file.getvalue()
