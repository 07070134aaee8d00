"""The one console of the command line: its colours, and none of them when the output is piped or NO_COLOR is set."""

from __future__ import annotations

from typing import IO

from rich.console import Console
from rich.theme import Theme

#: Names used by every command; a colour never carries what the words do not say.
THEME = Theme(
    {
        "name": "bold",
        "good": "green",
        "warn": "yellow",
        "bad": "bold red",
        "dim": "dim",
        "path": "cyan",
        "number": "default",
        "bar.complete": "cyan",
        "bar.finished": "green",
        "bar.pulse": "cyan",
    }
)


def make_console(file: IO[str] | None = None, *, stderr: bool = False, width: int | None = None) -> Console:
    """A console on stdout (or `file`, or stderr). Piped, it neither colours nor breaks lines: programs read them."""
    console = Console(file=file, stderr=stderr, theme=THEME, highlight=False, width=width)
    console.soft_wrap = not console.is_terminal
    return console


def can_redraw(console: Console) -> bool:
    """Whether a display can be drawn over itself: on a terminal, unless it says (TERM=dumb) that it cannot."""
    return console.is_terminal and not console.is_dumb_terminal


console = make_console()
errors = make_console(stderr=True)
