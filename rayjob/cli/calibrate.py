"""`rayjob calibrate`: what a run's confidence is worth, made honest, with thresholds that keep a promise."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from rayjob.cli.compare import print_tables, refuse, write_text
from rayjob.cli.gold import judged_rows
from rayjob.cli.review import ERRORS
from rayjob.cli.style import console
from rayjob.reports.accuracy import find_rows, row_weights
from rayjob.reports.calibrate import Promise, calibrate_run
from rayjob.reports.calibrate_page import calibration_pictures, calibration_table
from rayjob.reports.compare_page import to_html
from rayjob.reports.confidence_maps import Outcomes
from rayjob.reports.gold import Gold, GoldRow, Judged
from rayjob.reports.gold_file import read_gold
from rayjob.reports.labelled import Labelled, LabelledError, Said
from rayjob.reports.labelled_files import read_json, read_labelled
from rayjob.review.folder import read_review
from rayjob.spec.quality import CalibrationFile, dump_calibration
from rayjob.store.files import write_atomic

#: What people said where they did not agree: matches no answer, so that a disputed row never counts as right.
_DISPUTED: Said = ("\x00disputed",)


def calibrate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder or labelled file whose rows carry confidence.")],
    gold: Annotated[str, typer.Option(help="Gold file that says which answers are right.")] = "",
    review: Annotated[str, typer.Option(help="A review's folder instead; disputed rows count as wrong.")] = "",
    out: Annotated[str, typer.Option("--out", "-o", help="Where to write the calibration.")] = "calibration.yaml",
    target: Annotated[float, typer.Option(help="Accuracy to promise above the threshold.", min=0.5, max=0.9999)] = 0.95,
    certainty: Annotated[float, typer.Option(help="How sure the promise is.", min=0.5, max=0.9999)] = 0.95,
    html_to: Annotated[str, typer.Option("--html", metavar="PATH", help="Write reliability curves there.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the cross-validation.")] = 0,
) -> None:
    """Calibrate confidence per dimension and find the thresholds above which answers can be trusted."""
    try:
        if bool(gold) == bool(review):
            raise LabelledError("calibrate takes --gold FILE or --review FOLDER: somebody must say what is right")
        labelled = read_labelled(run)
        _check_stated(labelled)
        outcomes = find_outcomes(labelled, read_gold(gold, read_json(gold)) if gold else _gold_of_review(review))
        found = calibrate_run(outcomes, Promise(target, certainty), seed)
        made = CalibrationFile(
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            run=run,
            judged_by=gold or review,
            target_accuracy=target,
            certainty=certainty,
            ece_before=found.ece_before,
            ece_after=found.ece_after,
            dimensions=dict(found.dimensions),
        )
        write_atomic(out, dump_calibration(made).encode())
        table = calibration_table(made)
        if html_to:
            write_text(
                html_to, to_html(f"Calibration of {labelled.name}", [table], calibration_pictures(outcomes, made))
            )
    except ERRORS as error:
        refuse(error)
    print_tables([table])
    console.print(Text(f"written: {out}", style="path"))


def _check_stated(run: Labelled) -> None:
    """A spec maps what models state: a map of confidence that was mapped before would be put on top of itself."""
    spec = run.meta.get("spec")
    used = spec.get("calibration") if isinstance(spec, Mapping) else None
    if used:
        how = "run the spec with --set calibration=null into another output and calibrate that"
        raise LabelledError(f"{run.path}: its confidence is calibrated already (calibration: {used}); {how}")


def find_outcomes(run: Labelled, gold: Gold) -> list[Outcomes]:
    """Per dimension the rows that have both a confidence and a verdict, but for labels that were spread: what a
    calibration maps is the confidence of models. Raises LabelledError where there are none."""
    rows = find_rows(run, [(row.id, row.uid) for row in gold.rows])
    found = []
    for name, confidence in run.confidence.items():
        stated = {one for one in rows if not np.isnan(confidence[rows[one]])} - _spread_at(run, name, rows)
        at = [one for one in rows if one in stated and name in gold.rows[one].labels]
        if at:
            right = [gold.rows[one].labels[name] == tuple(run.answers[name][rows[one]] or ()) for one in at]
            weights = row_weights([gold.rows[one].stratum for one in at], gold.population)
            scores = np.clip(confidence[[rows[one] for one in at]], 0.0, 1.0)
            found.append(Outcomes(name, scores, np.array(right, dtype=np.float64), weights, np.array(at)))
    if not found:
        raise LabelledError(f"{run.path}: no row has both a confidence and a verdict of {len(gold.rows)} judged rows")
    return found


def _spread_at(run: Labelled, name: str, rows: Mapping[int, int]) -> set[int]:
    spread = run.spread.get(name, frozenset())
    return {one for one, row in rows.items() if row in spread}


def _gold_of_review(folder: str) -> Gold:
    """What most people say of each row; where no more than half agree, the row is disputed."""
    review = read_review(folder)
    rows = [_verdict(row) for row in judged_rows(folder, review)]
    return Gold(tuple(rows), frozenset(), "", population=dict(review.population))


def _verdict(row: Judged) -> GoldRow:
    names = dict.fromkeys(name for said in row.answers.values() for name in said)
    labels = {name: _most_said([said[name] for said in row.answers.values() if name in said]) for name in names}
    return GoldRow(row.id, row.uid, labels, {}, row.stratum, row.probability)


def _most_said(said: Sequence[Said]) -> Said:
    tags, count = Counter(said).most_common(1)[0]
    return tags if count * 2 > len(said) else _DISPUTED
