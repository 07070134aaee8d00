"""A run while it runs: one live display on a terminal, a line every few seconds when piped, a summary at its end.

Given ProgressView objects; knows neither Ray nor files. `run`, `status` and `watch` all show a run through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayjob.cli.style import can_redraw
from rayjob.reports.problems import RunProblem
from rayjob.reports.progress import LimitView, ProgressView
from rayjob.reports.wording import STATUS_WORDS, say_s, short

LINE_EVERY_S = 5.0
STATUS_STYLE = {
    "running": "name", "done": "good", "failed_rows": "warn", "stopped": "warn", "interrupted": "warn", "failed": "bad",
}  # fmt: skip


class LiveDisplay:
    """Shows views as they come: `with LiveDisplay(console) as display: display.show(view)`."""

    def __init__(
        self, console: Console, line_every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self.line_every_s = line_every_s
        self.clock = clock
        self.line_due = float("-inf")
        self.shown: tuple[object, ...] = ()
        # Transient: the summary takes the display's place, and what was printed meanwhile stays above it.
        self.live = Live(console=console, auto_refresh=False, transient=True) if can_redraw(console) else None

    def __enter__(self) -> LiveDisplay:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def show(self, view: ProgressView) -> None:
        """Shows the view: at once on a terminal; as a line when one is due or the phase, status or trouble changed."""
        if self.live:
            self.live.update(draw(view), refresh=True)
            return
        state = (view.status, view.phase, bool(view.stuck), view.notes[-1:])
        if state == self.shown and self.clock() < self.line_due:
            return
        if view.notes[-1:] and self.shown[3:] != (view.notes[-1:],):
            self.console.print(f"note: {view.notes[-1]}", markup=False)
        self.shown, self.line_due = state, self.clock() + self.line_every_s
        self.console.print(write_line(view), markup=False)


def draw(view: ProgressView) -> RenderableType:
    """The whole display of one moment."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in facts(view):
        table.add_row(name, text)
    parts: list[RenderableType] = [headline(view), bar(view), table]
    if view.stuck:
        parts.append(Text(f"! {view.stuck}", style="bad"))
    return Group(*parts)


def headline(view: ProgressView) -> Text:
    """Name, what it is doing, and for how long it has."""
    doing = view.phase or view.stage if not view.is_over else STATUS_WORDS.get(view.status, view.status)
    told = f"  {doing or 'starting'}{how_far(view)}"
    style = STATUS_STYLE.get(view.status, "name")
    return Text.assemble((view.run or "run", "name"), (told, style), (f"  {say_s(view.elapsed_s)}", "dim"))


def how_far(view: ProgressView) -> str:
    """`, 12,000 of 50,000 rows` of a phase without calls; empty where nobody counted."""
    return f", {view.detail}" if view.detail and not view.is_over else ""


def bar(view: ProgressView) -> RenderableType:
    """How much is finished, and how long the rest will take."""
    line = Table.grid(padding=(0, 2), expand=False)
    total = float(view.total) if view.total else None
    shown = ProgressBar(total=total, completed=view.finished, width=40, pulse=not total and not view.is_over)
    line.add_row(shown, Text(share(view)), Text(time_left(view), style="dim"))
    return line


def share(view: ProgressView) -> str:
    """`41 %  4,100 of 10,000 rows`; only the rows where the total is not known yet."""
    if not view.total:
        return f"{view.finished:,} rows"
    return f"{int(100 * view.finished / view.total)} %  {view.finished:,} of {view.total:,} rows"


def time_left(view: ProgressView) -> str:
    """`5 min left`, empty when there is nothing to say."""
    return f"{say_s(view.eta_s)} left" if view.eta_s is not None and not view.is_over else ""


def facts(view: ProgressView) -> Iterator[tuple[str, Text]]:
    """The rows of the display: name and text."""
    failed = (f"{view.rows_failed:,} failed", "bad" if view.rows_failed else "")
    rows = [(f"{view.rows_done:,} labelled", ""), failed]
    if not view.is_over:
        rows += [(f"{view.rows_per_s:,.1f}/s", "")]
    yield "rows", joined(rows)
    if view.calls or view.in_flight or view.ledger_hits:
        yield from spending(view)
    for limit in view.limits:
        yield "limit", limit_text(limit)
    if view.errors:
        yield "errors", joined((f"{kind} {count:,}", "warn") for kind, count in view.errors[:6])
    if view.notes:
        yield "note", Text(view.notes[-1])


def spending(view: ProgressView) -> Iterator[tuple[str, Text]]:
    """Calls, tokens and dollars, once there are any."""
    calls = [f"{view.calls:,}"]
    calls += [f"{view.in_flight:,} in flight", f"{view.calls_per_s:,.1f}/s"] if not view.is_over else []
    hits = f"{view.ledger_hits:,} from the ledger" if view.ledger_hits else ""
    yield "calls", joined((text, "") for text in (*calls, hits))
    yield "tokens", Text(tokens(view))
    yield "cost", joined((text, "") for text in (f"${view.cost_usd:,.2f}", cost_ahead(view), budget(view)))


def joined(parts: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Text:
    """Styled pieces with a dot between them; empty ones are left out."""
    text = Text()
    for piece, style in parts:
        if piece:
            text.append(" · " if text else "", style="dim").append(piece, style=style)
    return text


def tokens(view: ProgressView) -> str:
    """`1.2M in (60 % cached) · 90k out`."""
    cached = f" ({100 * view.cached_tokens // view.prompt_tokens} % cached)" if view.cached_tokens else ""
    return f"{short(view.prompt_tokens)} in{cached} · {short(view.completion_tokens)} out"


def cost_ahead(view: ProgressView) -> str:
    """What the whole run will cost at this rate, once a twentieth of it is done."""
    if view.is_over or not view.total or not view.cost_usd or view.finished < view.total / 20:
        return ""
    return f"about ${view.cost_usd * view.total / view.finished:,.2f} for all"


def budget(view: ProgressView) -> str:
    """The budget's state, empty without one."""
    return f"budget {view.budget}" if view.budget else ""


def limit_text(limit: LimitView) -> Text:
    """`worker 50/64 slots · 600 rpm · 3 waiting`, and its state where that is not ok."""
    parts = [(f"{limit.model} {limit.in_use:,.0f}/{limit.concurrency:,.0f} slots", "")]
    parts += [(f"{short(value)} {unit}", "") for value, unit in ((limit.rpm, "rpm"), (limit.tpm, "tpm")) if value]
    parts += [(f"{limit.waiting:,} waiting", "")] if limit.waiting else []
    return joined([*parts, (limit.state, "warn")] if limit.state not in ("", "ok") else parts)


def write_line(view: ProgressView) -> str:
    """One moment in one line, for logs."""
    doing = view.phase or view.stage if not view.is_over else view.status
    parts = [f"{say_s(view.elapsed_s)}: {doing or 'starting'}{how_far(view)}"]
    if not (view.finished or view.calls or view.in_flight or view.is_over):
        return f"{parts[0]}; {view.stuck}" if view.stuck else parts[0]
    parts = [f"{parts[0]}: {share(view)}", f"{view.rows_failed:,} failed"]
    if not view.is_over:
        parts += [f"{view.in_flight:,} calls in flight", f"{view.calls_per_s:,.1f}/s"]
    parts += [f"{short(view.prompt_tokens + view.completion_tokens)} tokens", f"${view.cost_usd:,.2f}", time_left(view)]
    parts += [f"{kind} {count:,}" for kind, count in view.errors[:3]]
    line = ", ".join(part for part in parts if part)
    return f"{line}; {view.stuck}" if view.stuck else line


@dataclass(frozen=True, slots=True)
class Ending:
    """What the last words about a run are made of; `output` is its folder, `problems` most frequent first."""

    view: ProgressView
    output: str
    problems: Sequence[RunProblem] = ()
    message: str = ""


def summarise(ending: Ending) -> RenderableType:
    """How the run ended, where its results are, and its three most frequent problems."""
    view, root = ending.view, ending.output.rstrip("/")
    words = ending.message or STATUS_WORDS.get(view.status, view.status)
    style = STATUS_STYLE.get(view.status, "name")
    head = Text.assemble((view.run or "run", "name"), ": ", (words, style), (f"  {say_s(view.elapsed_s)}", "dim"))
    is_training = view.status == "done" and not view.rows_done  # it leaves a model, and no row
    places = [] if is_training else [(f"{view.rows_done:,} labelled", f"{root}/labels/")]
    places += [(f"{view.rows_failed:,} failed", f"{root}/failures/")] if view.rows_failed else []
    places += [("report", f"{root}/report.html")]
    width = max(len(what) for what, _ in places)
    where = [Text.assemble(f"{what:<{width}}  ", (path, "path")) for what, path in places]
    spent = [Text(f"{view.calls:,} calls · {tokens(view)} · ${view.cost_usd:,.2f}", style="dim")]
    asked = view.calls or view.ledger_hits or view.errors  # a choice asks nobody
    return Group(head, *where, *(spent if asked else ()), *problem_lines(ending.problems))


def problem_lines(problems: Sequence[RunProblem]) -> Iterator[Text]:
    """The three most frequent problems, each with what to do; how many more there are."""
    for problem in problems[:3]:
        example = f"\n  {problem.example}" if problem.example else ""
        yield Text.assemble((f"! {problem.what}", "warn"), example, (f"\n  {problem.advice}", "dim"))
    if len(problems) > 3:
        yield Text(f"  {len(problems) - 3} more in the report", style="dim")
