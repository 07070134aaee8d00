"""`rayjob review export | import | status`: labels to human reviewers and back."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from rayjob.cli.compare import USER_ERRORS, print_tables, read_sides, refuse
from rayjob.cli.style import console
from rayjob.labels.agreement import compare_rows
from rayjob.labels.taxonomy import Taxonomy, is_dimension_file, parse_taxonomy
from rayjob.reports.compare_join import align_answers, code_joined, join_sides
from rayjob.reports.labelled import Labelled, LabelledError
from rayjob.reports.labelled_files import read_labelled, read_texts
from rayjob.reports.table import Table, number, percent, shorten
from rayjob.review.answers import find_conflicts, find_progress, merge_answers, reviewers_agreement
from rayjob.review.folder import (
    FORMS,
    read_answers,
    read_kept,
    read_review,
    read_sheet,
    sheet_owner,
    write_answers,
    write_review,
)
from rayjob.review.pools import Pool, pools_of, pools_seen
from rayjob.review.reading import Answered, Kept, read_back
from rayjob.review.sample import STRATEGIES, Candidate, Sample, assign_rows, pick_rows
from rayjob.review.sheet import Review, ReviewRow, make_keys, with_digests
from rayjob.review.table import SheetError
from rayjob.store import files

app = typer.Typer(name="review", help="Give rows to human reviewers and take their answers back.", no_args_is_help=True)
ERRORS = (*USER_ERRORS, SheetError)
_SHOWN = 12


@app.command("export")
def export(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="The run to review; more say where models disagree.")
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write the review to.")],
    form: Annotated[str, typer.Option("--as", help="csv, xlsx or label-studio.")] = "csv",
    rows: Annotated[int, typer.Option(help="How many rows.", min=1)] = 100,
    strategy: Annotated[str, typer.Option(help=", ".join(STRATEGIES))] = "random",
    by: Annotated[str, typer.Option(help="per_stratum: the dimension whose tags are the strata.")] = "",
    random_share: Annotated[
        float, typer.Option(help="Share of rows drawn at random beside the targeted ones.", min=0, max=1)
    ] = 0.5,
    dimensions: Annotated[str, typer.Option(help="Only these dimensions, separated by commas.")] = "",
    taxonomy: Annotated[str, typer.Option(help="Folder of the taxonomy; else the tags in use are the pools.")] = "",
    reviewer: Annotated[list[str] | None, typer.Option(help="A reviewer's name. Repeatable: a sheet each.")] = None,
    overlap: Annotated[float, typer.Option(help="Share of rows given to two reviewers.", min=0, max=1)] = 0.2,
    blind: Annotated[bool, typer.Option("--blind", help="Hide what the run says (and who reviews what else).")] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 0,
) -> None:
    """Pick rows for people to label and write their sheets."""
    try:
        if form not in FORMS or strategy not in STRATEGIES:
            raise SheetError(
                f"--as {form!r} or --strategy {strategy!r}: accepted: {_words(FORMS)}; {_words(STRATEGIES)}"
            )
        sides = read_sides(runs) if len(runs) > 1 else [read_labelled(runs[0])]
        candidates = _candidates(sides, strategy, by)
        sample = pick_rows(candidates, rows, strategy, random_share, seed)
        pools, digest = _pools(sides[0], taxonomy, [name.strip() for name in dimensions.split(",") if name.strip()])
        assigned = assign_rows(len(sample.rows), reviewer or [], overlap, seed)
        made = Review(
            created=_now(), runs=tuple(runs), taxonomy=digest, strategy=strategy, seed=seed, blind=blind,
            population=dict(sample.population), pools=pools, rows=tuple(_rows(sides[0], sample, pools, assigned)),
        )  # fmt: skip
        texts = read_texts(runs[0], [row.uid for row in made.rows])
        shown = [with_digests(row, texts.get(row.uid, ""), blind) for row in made.rows]
        made = made.model_copy(update={"rows": tuple(shown)})
        written = write_review(out, made, texts, form)
    except ERRORS as error:
        refuse(error)
    console.print(Text(f"{len(made.rows)} rows of {len(sides[0])}: {_words(_population(made))}"))
    if len(candidates) < len(sides[0]):
        twice = len(sides[0]) - len(candidates)
        console.print(Text(f"left out: {twice} rows whose id another row has too, and no uid tells apart"))
    for path in written:
        console.print(Text(f"written: {path}", style="path"))


def _words(names: Sequence[str]) -> str:
    return ", ".join(names)


def _population(review: Review) -> list[str]:
    drawn = [row.stratum for row in review.rows]
    return [f"{name} {drawn.count(name)} of {size}" for name, size in sorted(review.population.items())]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _candidates(sides: Sequence[Labelled], strategy: str, by: str) -> list[Candidate]:
    """Every row of the first run, with what the strategies look at."""
    first = sides[0]
    if strategy == "most_disagreement" and len(sides) < 2:
        raise SheetError("--strategy most_disagreement needs two runs or more")
    if strategy == "lowest_confidence" and not first.confidence:
        raise SheetError(f"--strategy lowest_confidence: {first.path} holds no confidence")
    if strategy == "per_stratum" and by not in first.answers:
        raise SheetError(f"--strategy per_stratum: --by {by!r} is no dimension (have: {_words(list(first.answers))})")
    lowest = np.ones(len(first))
    for values in first.confidence.values():
        lowest = np.fmin(lowest, values)
    apart = _disagreement(sides) if len(sides) > 1 else np.zeros(len(first))
    strata = ["+".join(first.answers[by][row] or ()) if by else "" for row in range(len(first))]
    # A row that shares its only name with another cannot be shown, nor its answers be taken back.
    counts = Counter(map(_name, first.uids, first.ids))
    single = [row for row in range(len(first)) if counts[_name(first.uids[row], first.ids[row])] == 1]
    if not single:
        raise SheetError(f"{first.path}: no row has a uid or id of its own; a review cannot tell its rows apart")
    # Not in the order of the files, which differs when a run is made again: a seed must draw the same rows.
    order = sorted(single, key=lambda row: (first.uids[row], first.ids[row]))
    return [Candidate(row, float(lowest[row]), float(apart[row]), strata[row]) for row in order]


def _name(uid: str, id_: str) -> str:
    """What a row is called in a review."""
    return uid or id_


def _disagreement(sides: Sequence[Labelled]) -> np.ndarray:
    """(rows of the first run,): mean over dimensions and pairs of runs of 1 - Jaccard; 0 where a run lacks the row."""
    sides = align_answers(sides)
    joined = join_sides(sides)
    pairs = [(a, b) for a in range(len(sides)) for b in range(a + 1, len(sides))]
    compared = [compare_rows(one, *pair) for one in code_joined(sides, joined).values() for pair in pairs]
    known = np.sum([rows.known for rows in compared], axis=0)
    apart = np.zeros(len(sides[0]))
    apart[joined.rows[0]] = np.sum([rows.known - rows.jaccard for rows in compared], axis=0) / np.maximum(known, 1)
    return apart


def _pools(side: Labelled, folder: str, names: Sequence[str]) -> tuple[dict[str, Pool], str]:
    unknown = [name for name in names if name not in side.answers]
    if unknown:
        raise SheetError(f"--dimensions: no {unknown[0]!r} in {side.path} (have: {_words(list(side.answers))})")
    wanted = names or list(side.answers)
    if not folder:
        seen = pools_seen(side.answers, side.multi)
        return {name: seen[name] for name in wanted}, ""
    taxonomy = load_taxonomy(folder)
    pools = pools_of(taxonomy, wanted)
    lacking = [name for name in names if name not in pools] or ([] if pools else wanted)
    if lacking:
        have = _words(list(taxonomy.dimensions))
        raise SheetError(f"--taxonomy {folder}: has no dimension {_words(lacking)} to ask about (have: {have})")
    return pools, taxonomy.hash


def load_taxonomy(folder: str) -> Taxonomy:
    """The taxonomy in a folder. Raises LabelledError with its problems."""
    if not files.is_folder(folder):
        raise LabelledError(f"{folder}: no such folder; accepted: a taxonomy's folder")
    paths = [path for path in files.list_folder(folder) if is_dimension_file(PurePosixPath(path).name)]
    taxonomy, problems = parse_taxonomy({path: files.read_text(path) for path in paths})
    if problems:
        raise LabelledError("\n".join(map(str, problems)))
    return taxonomy


def _rows(
    side: Labelled, sample: Sample, pools: Mapping[str, Pool], assigned: Sequence[tuple[str, ...]]
) -> list[ReviewRow]:
    uids = [_name(side.uids[picked.index], side.ids[picked.index]) for picked in sample.rows]
    return [
        ReviewRow(
            key=key, uid=uid, id=side.ids[picked.index], stratum=picked.stratum, probability=picked.probability,
            proposal={name: tuple(side.answers[name][picked.index] or ()) for name in pools}, reviewers=who,
        )
        for key, uid, picked, who in zip(make_keys(uids), uids, sample.rows, assigned, strict=True)
    ]  # fmt: skip


@app.command("import")
def import_(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The review's folder.")],
    sheets: Annotated[
        list[str], typer.Argument(metavar="SHEET", help="What came back: .csv, .xlsx, Label Studio's JSON.")
    ],
    reviewer: Annotated[str, typer.Option(help="Who answered, where the sheet does not say.")] = "",
) -> None:
    """Take sheets back: check every answer, keep aside what is none, list conflicts."""
    try:
        review = read_review(folder)
        answers, kept = read_answers(folder), []
        for sheet in sheets:
            who = reviewer or sheet_owner(review, sheet)
            back = read_back(review, read_sheet(sheet), who, _now())
            if not back.seen:
                why = "no row of this review is in it, by `key` or `id`; is it another review's sheet?"
                raise SheetError(f"{sheet}: {why}")
            answers, replaced = merge_answers(answers, back.answered)
            kept += [*back.kept, *replaced]
            count = sum(len(one.answers) for one in back.answered)
            by = _words(sorted({one.reviewer for one in back.answered})) or "nobody"
            told = f"{count} answers in {len(back.answered)} rows by {by}, {len(back.kept)} kept aside"
            console.print(Text(f"{sheet}: {told}"))
        write_answers(folder, answers, kept)
    except ERRORS as error:
        refuse(error)
    print_tables([table for table in (kept_table(kept), conflicts_table(answers)) if table.rows])


@app.command("status")
def status(folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The review's folder.")]) -> None:
    """What is done, what is left, where reviewers differ and how far they agree."""
    try:
        review = read_review(folder)
        answers, kept = read_answers(folder), read_kept(folder)
    except ERRORS as error:
        refuse(error)
    tables = [
        progress_table(review, answers),
        agreement_table(review, answers),
        conflicts_table(answers),
        kept_table(kept),
    ]
    print_tables([table for table in tables if table.rows])


def progress_table(review: Review, answers: Sequence[Answered]) -> Table:
    """Per reviewer what was given and done, and the whole."""
    rows = [
        (one.reviewer or "(nobody)", str(one.given), str(one.complete), str(one.begun - one.complete))
        for one in find_progress(review, answers)
    ]
    reviewed = len({one.key for one in answers})
    note = f"{reviewed} of {len(review.rows)} rows have an answer; drawn: {_words(_population(review))}."
    total = ("all", str(len(review.rows)), "", "")
    return Table("Review", ("reviewer", "given", "complete", "begun"), (*rows, total), note)


def agreement_table(review: Review, answers: Sequence[Answered]) -> Table:
    """How far reviewers agree where two or more answered."""
    rows = [
        (one.dimension, str(one.rows), percent(one.exact), number(one.alpha))
        for one in reviewers_agreement(review, answers)
    ]
    return Table("Agreement between reviewers", ("dimension", "rows", "exact", "alpha"), tuple(rows))


def conflicts_table(answers: Sequence[Answered]) -> Table:
    """Rows on which reviewers differ."""
    conflicts = find_conflicts(answers)
    rows = [
        (one.id, one.dimension, "; ".join(f"{who}: {_words(tags) or '(none)'}" for who, tags in one.answers.items()))
        for one in conflicts[:_SHOWN]
    ]
    note = f"{len(conflicts)} in all." if len(conflicts) > _SHOWN else ""
    return Table("Conflicts between reviewers", ("row", "dimension", "answers"), tuple(rows), note)


def kept_table(kept: Sequence[Kept]) -> Table:
    """What was typed and is no answer."""
    rows = [
        (f"{PurePosixPath(one.file).name}:{one.row}", one.column, shorten(one.text, 60), one.why)
        for one in kept[:_SHOWN]
    ]
    note = f"{len(kept)} in all; all of them in answers.kept.jsonl." if kept else ""
    return Table("Kept aside", ("where", "column", "text", "why"), tuple(rows), note)
