"""`rayjob compare`: agreement between runs and labelled files, and where they part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, NoReturn

import typer
from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from rayjob.cli.style import console, errors, make_console
from rayjob.reports.compare import Comparison, Options, compare_sides
from rayjob.reports.compare_details import Details, find_details
from rayjob.reports.compare_fail import ConditionError, failed_conditions, parse_condition
from rayjob.reports.compare_json import to_json
from rayjob.reports.compare_page import compare_pictures, numeric_columns, to_html, to_markdown
from rayjob.reports.compare_tables import all_tables
from rayjob.reports.labelled import Labelled, LabelledError
from rayjob.reports.labelled_files import read_labelled, read_texts
from rayjob.reports.table import Table
from rayjob.store.files import StoreError, write_atomic

#: A pipe has no width of its own; 80 columns would fold the numbers.
piped = make_console(width=180)

#: What the user can mend: said without a traceback, exit 2.
USER_ERRORS = (LabelledError, StoreError, ConditionError)


def compare(
    sides: Annotated[
        list[str], typer.Argument(metavar="SIDE", help="Run folders or labelled files, local or s3://, in order.")
    ],
    reference: Annotated[str, typer.Option(help="Labels to measure all sides against, such as a gold file.")] = "",
    key: Annotated[str, typer.Option(help="Join by auto, id or uid.")] = "auto",
    bootstrap: Annotated[int, typer.Option(help="Bootstrap draws.", min=10)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    rows: Annotated[int, typer.Option(help="How many of the most disagreeing rows to show.", min=0)] = 10,
    json_to: Annotated[str, typer.Option("--json", metavar="PATH", help="Write JSON there; - is stdout.")] = "",
    md_to: Annotated[str, typer.Option("--md", metavar="PATH", help="Write Markdown there; - is stdout.")] = "",
    html_to: Annotated[str, typer.Option("--html", metavar="PATH", help="Write one HTML page there.")] = "",
    fail_if: Annotated[
        list[str] | None, typer.Option(help="Exit 1 where it holds: 'intent.kappa < 0.8'. Repeatable.")
    ] = None,
) -> None:
    """Compare labels of the same rows: agreement with intervals, and what to do where the sides part."""
    try:
        conditions = [parse_condition(text) for text in fail_if or []]
        found = compare_sides(
            read_sides([*([reference] if reference else []), *sides]),
            Options(check_key(key), bootstrap, seed, 0 if reference else None),
        )
        details = _with_texts(found, find_details(found, rows))
        failed = failed_conditions(found, conditions)
        _write(found, details, {"json": json_to, "md": md_to, "html": html_to})
    except USER_ERRORS as error:
        refuse(error)
    for line in failed:
        errors.print(Text(f"fails: {line}", style="bad"))
    if failed:
        raise typer.Exit(1)


def refuse(error: Exception | str) -> NoReturn:
    """Say what the user must mend, and exit 2."""
    errors.print(Text(str(error), style="bad"))
    raise typer.Exit(2)


def check_key(key: str) -> str:
    """The column to join by. Raises LabelledError for one that is not accepted."""
    if key not in ("auto", "id", "uid"):
        raise LabelledError(f"--key {key!r}: accepted are auto, id and uid")
    return key


def read_sides(paths: Sequence[str], command: str = "compare") -> list[Labelled]:
    """Read every side; sides of one name are told apart by as much of their path as it takes."""
    if len(paths) < 2:
        raise LabelledError(f"{command} needs two runs or labelled files at least, found {len(paths)}")
    read = [read_labelled(path) for path in paths]
    names = [side.name for side in read]
    depth = 1
    while len(set(names)) < len(names) and depth < 4:
        depth += 1
        names = ["/".join(PurePosixPath(path.rstrip("/")).parts[-depth:]) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name} #{number}" for number, name in enumerate(names, start=1)]
    return [replace(side, name=name) for side, name in zip(read, names, strict=True)]


def _with_texts(found: Comparison, details: Details) -> Details:
    keys = [row.key for row in details.rows]
    side = found.sides[found.focus[1]]
    texts = read_texts(side.path, keys) if keys else {}
    return replace(details, rows=tuple(replace(row, text=texts.get(row.key, "")) for row in details.rows))


def _write(found: Comparison, details: Details, targets: dict[str, str]) -> None:
    title = "Comparison: " + " | ".join(side.name for side in found.sides)
    tables = all_tables(found, details)
    made = {
        "json": lambda: json.dumps(to_json(found, details), ensure_ascii=False, indent=1) + "\n",
        "md": lambda: to_markdown(title, tables),
        "html": lambda: to_html(title, tables, compare_pictures(found, details)),
    }
    if "-" not in targets.values():
        print_tables(tables)
    for kind, target in targets.items():
        if target:
            write_text(target, made[kind]())


def write_text(target: str, text: str) -> None:
    """Write to a file (local or s3://), or print where the target is -."""
    if target == "-":
        typer.echo(text, nl=False)
        return
    write_atomic(target, text.encode("utf-8", errors="replace"))
    errors.print(Text(f"written: {target}", style="dim"))


def print_tables(tables: Sequence[Table]) -> None:
    """Print the tables to the terminal."""
    for table in tables:
        shown = RichTable(title=_safe(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for index, (name, right) in enumerate(zip(table.columns, numeric_columns(table), strict=True)):
            shown.add_column(_safe(name), justify="right" if right else "left", overflow="fold", no_wrap=index == 0)
        for row in table.rows:
            shown.add_row(*map(_safe, row))
        out = console if console.is_terminal else piped
        out.print(shown)
        if table.note:
            out.print(Text(f" {table.note}\n", style="dim"))


def _safe(text: str) -> Text:
    """Text that a terminal only shows: no escape sequences of the data's own, no markup."""
    return Text("".join(char if char.isprintable() else " " for char in text))
