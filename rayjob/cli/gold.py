"""`rayjob gold build | merge | check | score`: labels that can be trusted, and how a run does against them."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from rayjob.cli.compare import print_tables, read_sides, refuse, write_text
from rayjob.cli.review import ERRORS, load_taxonomy
from rayjob.cli.style import console
from rayjob.reports.accuracy import ReviewScore, Score, find_rows, score_against_reviewers, score_run
from rayjob.reports.gold import Gold, GoldRow, Judged, Open, build_gold, check_gold, gold_of_reviews, merge_gold
from rayjob.reports.gold_file import read_gold, write_lines
from rayjob.reports.labelled import LabelledError
from rayjob.reports.labelled_files import read_json, read_labelled
from rayjob.reports.table import Table, number, percent, with_interval
from rayjob.review.answers import find_conflicts
from rayjob.review.folder import read_answers, read_review
from rayjob.review.sheet import Review
from rayjob.store.files import write_atomic

app = typer.Typer(name="gold", help="Labels that can be trusted, and runs measured against them.", no_args_is_help=True)
_SHOWN = 12


@app.command("build")
def build(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Runs over the same rows.")] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Gold file to write (.jsonl).")] = "gold.jsonl",
    review: Annotated[str, typer.Option(help="A review's folder: what people said, instead of runs.")] = "",
    quality: Annotated[
        float | None, typer.Option(help="Accept a consensus this sure too (0..1).", min=0.5, max=1)
    ] = None,
    by: Annotated[str, typer.Option(help="Who vouches for it.")] = "",
    taxonomy: Annotated[str, typer.Option(help="Folder of the taxonomy, for its hash.")] = "",
    left_open: Annotated[str, typer.Option("--open", help="Write what was not accepted there (.jsonl).")] = "",
) -> None:
    """Accept what several runs, or reviewers, say alike; the rest is open and goes to review."""
    try:
        if bool(runs) == bool(review):
            raise LabelledError("gold build takes runs, or --review FOLDER")
        digest = load_taxonomy(taxonomy).hash if taxonomy else ""
        if review:
            gold, left = _from_review(review, by)
        else:
            gold, left = build_gold(read_sides(runs or [], "gold build"), quality, _now(), by, digest)
        _write(out, gold, left_open, left)
    except ERRORS as error:
        refuse(error)
    print_tables([built_table(gold, left), *([open_table(left)] if left else [])])


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _from_review(folder: str, by: str) -> tuple[Gold, list[Open]]:
    review = read_review(folder)
    multi = frozenset(name for name, pool in review.pools.items() if pool.select == "multi")
    empty = Gold(
        (), multi, _now(), by, review.runs, review.taxonomy, f"review ({review.strategy})", dict(review.population)
    )
    return gold_of_reviews(judged_rows(folder, review), empty)


def judged_rows(folder: str, review: Review) -> list[Judged]:
    """The rows of a review that somebody answered."""
    said: dict[str, dict[str, Any]] = {}
    for one in read_answers(folder):
        said.setdefault(one.key, {})[one.reviewer] = dict(one.answers)
    rows = [row for row in review.rows if row.key in said]
    return [Judged(row.id, row.uid, said[row.key], row.stratum, row.probability) for row in rows]


def _write(out: str, gold: Gold, left_open: str, left: Sequence[Open]) -> None:
    write_atomic(out, write_lines(gold).encode())
    console.print(Text(f"written: {out}", style="path"))
    if left_open:
        lines = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in left)
        write_text(left_open, lines)


def built_table(gold: Gold, left: Sequence[Open]) -> Table:
    """Per dimension how many rows were accepted, by what, and how many are open."""
    names = dict.fromkeys([*(name for row in gold.rows for name in row.labels), *(one.dimension for one in left)])
    rows = []
    for name in names:
        how = [row.how[name].split()[0].rstrip(":") for row in gold.rows if name in row.labels]
        counts = [how.count(word) for word in ("unanimous", "consensus", "review")]
        rows.append((name, *map(str, counts), str(sum(one.dimension == name for one in left))))
    return Table(
        "Gold", ("dimension", "unanimous", "consensus", "review", "open"), tuple(rows), f"{len(gold.rows)} rows."
    )


def open_table(left: Sequence[Open]) -> Table:
    """The first of what is open."""
    rows = [
        (one.id, one.dimension, "; ".join(f"{who}: {', '.join(tags) or '(none)'}" for who, tags in one.said.items()))
        for one in left[:_SHOWN]
    ]
    note = f"{len(left)} in all; --open FILE lists them." if len(left) > _SHOWN else ""
    return Table("Open: for review", ("row", "dimension", "said"), tuple(rows), note)


@app.command("merge")
def merge(
    golds: Annotated[list[str], typer.Argument(metavar="GOLD", help="Gold files.")],
    out: Annotated[str, typer.Option("--out", "-o", help="Gold file to write.")],
    prefer: Annotated[str, typer.Option(help="Where equals differ: refuse (leave open) or last.")] = "refuse",
) -> None:
    """Merge gold files: people before unanimous runs before consensus. Exit 1 where something had to be left open."""
    try:
        if prefer not in ("refuse", "last"):
            raise LabelledError(f"--prefer {prefer!r}: accepted are refuse and last")
        parts = [(path, _read(path)) for path in golds]
        gold, left = merge_gold(parts, prefer)
        _write(out, gold, "", left)
    except ERRORS as error:
        refuse(error)
    if not gold.population and any(part.population for _, part in parts):
        console.print(Text("The golds were drawn from different populations: all rows count alike from here on."))
    print_tables([built_table(gold, left), *([open_table(left)] if left else [])])
    raise typer.Exit(1 if left else 0)


def _read(path: str) -> Gold:
    return read_gold(path, read_json(path))


@app.command("check")
def check(
    gold: Annotated[str, typer.Argument(metavar="GOLD", help="Gold file.")],
    taxonomy: Annotated[str, typer.Option(help="Folder of the taxonomy.")],
) -> None:
    """Find tags that the taxonomy no longer has. Exit 1 where there are some."""
    try:
        found, pools = _read(gold), load_taxonomy(taxonomy)
        gone = check_gold(found, pools)
    except ERRORS as error:
        refuse(error)
    if found.taxonomy and found.taxonomy != pools.hash:
        console.print(Text("The taxonomy has changed since this gold was made."))
    rows = tuple((name, tag or "(all)", str(count), hint) for name, tag, count, hint in gone)
    if not gone:
        console.print(Text(f"{len(found.rows)} rows: every tag is in the taxonomy.", style="good"))
        return
    print_tables([Table("Tags the taxonomy does not have", ("dimension", "tag", "rows", "now"), rows)])
    raise typer.Exit(1)


@app.command("score")
def score(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder or labelled file.")],
    gold: Annotated[str, typer.Option(help="Gold file to measure against.")] = "",
    review: Annotated[str, typer.Option(help="A review's folder: every answer counts, disputed rows too.")] = "",
    tags: Annotated[bool, typer.Option("--tags", help="Per-tag precision and recall too.")] = False,
    json_to: Annotated[str, typer.Option("--json", metavar="PATH", help="Write JSON there; - is stdout.")] = "",
) -> None:
    """How accurate a run is, with intervals, weighted back to the whole run where rows were drawn by stratum."""
    try:
        if bool(gold) == bool(review):
            raise LabelledError("gold score takes --gold FILE or --review FOLDER")
        labelled = read_labelled(run)
        scores: list[Any]
        if gold:
            truth = _read(gold)
            judged: Sequence[GoldRow | Judged] = truth.rows
            scores = list(score_run(labelled, truth))
            tables = score_tables(scores, tags)
        else:
            found = read_review(review)
            choices = {name: len(pool.tags) for name, pool in found.pools.items() if pool.select == "single"}
            judged = rows = judged_rows(review, found)
            scores = list(score_against_reviewers(labelled, rows, found.population, choices))
            tables = [review_table(scores, len(find_conflicts(read_answers(review))))]
        if json_to:
            write_text(
                json_to, json.dumps(_no_nan([asdict(one) for one in scores]), ensure_ascii=False, indent=1) + "\n"
            )
    except ERRORS as error:
        refuse(error)
    if json_to != "-":
        print_tables([table for table in tables if table.rows])
        lacking = len(judged) - len(find_rows(labelled, [(row.id, row.uid) for row in judged]))
        if lacking:
            why = "have no labels in this run (failed, or never in it): nothing above is about them"
            console.print(Text(f"{lacking} of {len(judged)} judged rows {why}."))


def _no_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _no_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def score_tables(scores: Sequence[Score], tags: bool) -> list[Table]:
    """Accuracy, arbitration, confusions and, on demand, every tag."""
    rows = [
        (one.dimension, str(one.rows), with_interval(one.accuracy), number(one.jaccard), number(one.macro_f1),
         number(one.micro_f1), percent(one.uncovered) if one.uncovered else "–")
        for one in scores
    ]  # fmt: skip
    columns = ("dimension", "rows", "accuracy", "jaccard", "macro F1", "micro F1", "not covered")
    note = "Accuracy: the same set of tags. Macro F1: mean over the tags gold has. [95 % interval]"
    tables = [Table("Accuracy against gold", columns, tuple(rows), note), arbitration_table(scores)]
    confused = tuple((one.dimension, a, b, str(n)) for one in scores for a, b, n in one.confusions[:5])
    tables.append(Table("Confusions", ("dimension", "gold", "run", "rows"), confused))
    if tags:
        tables += [tags_table(one) for one in scores]
    return tables


def arbitration_table(scores: Sequence[Score]) -> Table:
    """What arbitration changed, for the better and for the worse."""
    asked = [(one.dimension, one.arbitrated) for one in scores if one.arbitrated]
    rows = tuple(
        (name, str(one.better), str(one.worse), str(one.still_wrong), number(one.p))
        for name, one in asked
        if one.better + one.worse + one.still_wrong
    )
    columns = ("dimension", "made right", "made wrong", "wrong still", "p")
    return Table("What arbitration changed", columns, rows, "p: sign test that right and wrong are equally likely.")


def tags_table(score: Score) -> Table:
    """Precision and recall per tag."""
    rows = tuple(
        (one.tag, str(one.gold_rows), str(one.run_rows), with_interval(one.precision), with_interval(one.recall),
         number(one.f1))
        for one in sorted(score.tags, key=lambda one: (-one.gold_rows, one.tag))
    )  # fmt: skip
    return Table(f"Tags of {score.dimension}", ("tag", "gold", "run", "precision", "recall", "F1"), rows)


def review_table(scores: Sequence[ReviewScore], conflicts: int) -> Table:
    """Agreement with reviewers, and accuracy corrected for their own errors."""
    rows = tuple(
        (one.dimension, str(one.rows), str(one.twice), with_interval(one.agreement), with_interval(one.corrected),
         with_interval(one.reviewer_error))
        for one in scores
    )  # fmt: skip
    columns = ("dimension", "rows", "by two", "agrees with a reviewer", "accuracy, corrected", "reviewers err")
    count = f" {conflicts} conflict{'s' if conflicts != 1 else ''} count too." if conflicts else ""
    note = f"Corrected for reviewers' own errors, estimated where two judged a row.{count}"
    return Table("Accuracy against reviewers", columns, rows, note)
