"""`rayjob ledger list | export | prune | compact`: the paid answers that runs share."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

import typer

from rayjob.cli.run import UserError

if TYPE_CHECKING:
    from rayjob.llm.ledger_admin import Entry, Outcome
    from rayjob.store.ledgerfiles import LedgerFiles

app = typer.Typer(name="ledger", help="List, export, prune and compact paid answers.", no_args_is_help=True)
PATH = typer.Argument(..., metavar="PATH", help="A ledger's folder, or that of a run; local or s3://.")
UNIT_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@app.command("list")
def list_command(path: str = PATH) -> None:
    """Count the answers by step and model, with their tokens and what they cost."""
    from rich.table import Table

    from rayjob.cli.style import console
    from rayjob.llm.ledger_admin import total_ledger

    with opened(path) as (files, folder):
        totals = total_ledger(files, folder)
    table = Table(box=None, pad_edge=False)
    for title in ("step", "model", "answers", "tokens", "USD"):
        table.add_column(title, justify="left" if title in ("step", "model") else "right")
    for (step, model), total in totals.items():
        table.add_row(step, model, f"{total.answers:,}", f"{total.tokens:,}", f"{total.cost_usd:,.4f}")
    sums = [sum(getattr(total, name) for total in totals.values()) for name in ("answers", "tokens", "cost_usd")]
    table.add_row("all", "", f"{sums[0]:,}", f"{sums[1]:,}", f"{sums[2]:,.4f}")
    console.print(table)


@app.command("export")
def export(
    path: str = PATH,
    to: str = typer.Argument("-", metavar="FILE", help="A local file to write; - is stdout."),
) -> None:
    """Write every answer as a line of JSON: key, step, model, tokens, cost, time, text."""
    from rayjob.llm.ledger_admin import list_entries

    with opened(path) as (files, folder), writing(to) as out:
        count = 0
        for entry in list_entries(files, folder):
            out.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
            count += 1
    if to != "-":
        typer.echo(f"{count:,} answers in {to}")


@app.command("prune")
def prune(
    path: str = PATH,
    older_than: str = typer.Option("", "--older-than", help="Answers older than this: 90m, 12h, 30d, 8w."),
    model: str = typer.Option("", "--model", help="Answers of this model, by LiteLLM's name."),
    step: str = typer.Option("", "--step", help="Answers of this step."),
    yes: bool = typer.Option(False, "--yes", help="Do it; without this, only say what would go."),
) -> None:
    """Delete the answers that meet every condition given. They would be paid again if they were asked again."""
    from rayjob.llm.ledger_admin import list_entries, prune_ledger

    if not (older_than or model or step):
        raise UserError("prune needs a condition: --older-than, --model or --step")
    before = time.time() - seconds(older_than) if older_than else None

    def goes(entry: Entry) -> bool:
        old = before is None or entry.entered < before
        return old and model in ("", entry.model) and step in ("", entry.step)

    with opened(path) as (files, folder):
        if yes:
            say(prune_ledger(files, folder, lambda entry: not goes(entry)))
            return
        gone = [entry.cost_usd for entry in list_entries(files, folder) if goes(entry)]
    typer.echo(f"{len(gone):,} answers that cost ${sum(gone):,.2f} would go; --yes deletes them")


@app.command("compact")
def compact(path: str = PATH) -> None:
    """Merge small segments into large ones; what runs wrote in the last ten minutes stays as it is."""
    from rayjob.llm.ledger_admin import compact_ledger

    with opened(path) as (files, folder):
        say(compact_ledger(files, folder))


def say(outcome: Outcome) -> None:
    """What was done."""
    typer.echo(
        f"{outcome.segments_before:,} segments → {outcome.segments_after:,}; "
        f"{outcome.removed:,} answers removed, {outcome.kept:,} rewritten"
    )
    for uri in outcome.damaged:
        typer.echo(f"damaged, left as it is: {uri}", err=True)


@contextmanager
def opened(path: str) -> Iterator[tuple[LedgerFiles, str]]:
    """The files and the folder of a ledger. Raises UserError where there is none, StoreError where it fails."""
    from rayjob.store.errors import translate
    from rayjob.store.ledgerfiles import LedgerFiles

    files = LedgerFiles()
    try:
        root = path.rstrip("/") if "://" in path else os.path.abspath(path)
        folders = {uri.rpartition("/")[0] for uri in files.list_sizes(root) if uri.endswith(".seg")}
        found = next((folder for folder in (root, f"{root}/ledger") if folder in folders), None)
        if found is not None:
            yield files, found
            return
    except OSError as error:
        raise translate(error, path) from error
    raise UserError(f"no answers at {path}: give the `ledger.path` of a spec, or a run's folder")


@contextmanager
def writing(to: str) -> Iterator[TextIO]:
    """A text file, or stdout for -."""
    if to == "-":
        yield sys.stdout
        return
    if "://" in to:
        raise UserError(f"export writes a local file or stdout (-), found {to}")
    try:
        file = open(to, "w", encoding="utf-8", errors="replace")  # noqa: SIM115 - only opening it is tried
    except OSError as error:
        raise UserError(f"cannot write {to}: {error.strerror}") from error
    with file:
        yield file


def seconds(age: str) -> float:
    """`30d` in seconds. Raises UserError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", age.strip())
    if found is None:
        raise UserError(f"--older-than takes a number and m, h, d or w, such as 30d; found '{age}'")
    return float(found[1]) * UNIT_S[found[2]]
