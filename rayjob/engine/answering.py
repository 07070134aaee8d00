"""Who labels the chosen rows: the label steps, people with a sheet, or a column of truth. Chooses no rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from rayjob.engine.spread_blocks import finish_rows, write_or_delete
from rayjob.labels.tags import LabelValue
from rayjob.plan.graph import Stage
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.spread import AskStep
from rayjob.steps.ask import SKIP, Answered, SheetProblem, read_sheet, read_truth, write_sheet
from rayjob.store import files
from rayjob.store.parquetread import read_batches
from rayjob.vectors.represent import Chosen

if TYPE_CHECKING:
    from rayjob.engine.run import Run
    from rayjob.engine.spreading import Spreading

Row = dict[str, Any]
ROWS = "_rows.json"


class Answering:
    """Gets labels for the rows of a round. What is answered already is not asked again."""

    def __init__(self, run: Run, spreading: Spreading) -> None:
        self.run, self.spreading, self.folder = run, spreading, run.folder
        self.resolved = run.request.resolved
        self.spec: AskStep = spreading.settings("ask")
        step = next(iter(run.job.steps_of("ask")), None)
        asked = self.resolved.asked(step) if step else ()
        self.dimensions = asked or self.spec.dimensions or self.resolved.dimensions()
        self.dims = [self.resolved.taxonomy.dimensions[name] for name in self.dimensions]

    def answer(self, number: int) -> None:
        """Labels for the rows of a round; the run's `why` is set where they must be waited for."""
        if self.spec.source != "label":
            self._take(number)
        elif number:  # the first round is a stage of its own, before `ask`
            self.label_round(number)

    def label_round(self, number: int) -> None:
        """The label steps over the rows of a round."""
        stage = self.spreading.label_stage()
        stage = replace(stage, name=f"{stage.name}-round-{number}")
        where, rows, heirs = self._subset(stage.name, self._chosen(number))
        self.run.label_rows(stage, where, rows, heirs)

    def _chosen(self, number: int) -> Chosen:
        found = self.spreading.chosen(number)
        assert found is not None, f"round {number} was not chosen"
        return found

    def _subset(self, stage: str, chosen: Chosen) -> tuple[str, int, int]:
        name = f"stages/{stage}/{ROWS}"
        known = self.folder.read_json(name)
        if known is None:
            _, rows, heirs = self.spreading.subset(stage, chosen)
            known = {"rows": rows, "heirs": heirs}
            self.folder.write_json(name, known)
        return self.folder.stage(stage), known["rows"], known["heirs"]

    def _take(self, number: int) -> None:
        stage = self.spreading.names["ask"]
        name = f"{stage}-round-{number}"
        if self.folder.read_json(f"stages/{stage}/{name}.json") is not None:
            return
        _, rows, _ = self._subset(name, self._chosen(number))
        folder = f"stages/{name}"
        is_truth = self.spec.source == "truth"
        found = self._truth(folder) if is_truth else self._sheet(sheet_of(self.spec.sheet or "", number), folder)
        if found is None or self.run.why:
            return
        self._write(f"{name}.parquet", self._rows(self.folder.parquet(folder)), found)
        self._note(stage, name, rows, found)

    def _note(self, stage: str, name: str, rows: int, found: Answered) -> None:
        """Mark what came back as taken."""
        labelled = sum(any(label is not None for label in labels.values()) for labels in found.labels.values())
        facts = {"rows": rows, "labelled": labelled}
        self.folder.write_json(f"stages/{stage}/{name}.json", facts)
        self.run.log.write("note", message=f"{name}: {facts['labelled']} of {facts['rows']} rows have a label")

    def _rows(self, uris: Sequence[str], columns: Sequence[str] | None = None) -> Iterator[Row]:
        for uri in uris:
            for batch in read_batches(uri, columns):
                yield from batch.to_pylist()

    def _truth(self, folder: str) -> Answered:
        rows = self._rows(self.folder.parquet(folder), ["uid", "metadata"])
        found = read_truth(rows, self.spec.fields, self.dims)
        if found.problems:
            raise SpecError([_problem(problem, 0) for problem in found.problems])
        return found

    def _sheet(self, uri: str, folder: str) -> Answered | None:
        """What people wrote; None where the sheet has just gone out. Raises SpecError with every cell to mend."""
        parts = self.folder.parquet(folder)
        asked = [row["uid"] for row in self._rows(parts, ["uid"])]
        if not files.exists(uri):
            files.write_atomic(uri, write_sheet(self._rows(parts), self.dims))
            self._wait(uri, len(asked))
            return None
        found = read_sheet(uri, files.read_bytes(uri), asked, self.dims)
        if found.problems:
            raise SpecError([_problem(problem, problem.row) for problem in found.problems])
        if found.open:
            self._wait(uri, len(found.open))
        return found

    def _wait(self, uri: str, rows: int) -> None:
        self.run.why = (
            f"waiting for review sheet {uri}: {rows} rows are open; fill in their labels, {SKIP} where nobody can tell"
        )

    def review_rest(self, stage: Stage) -> None:
        """A sheet of the rows that `propagate` did not accept; what people filled in is labelled, until all is."""
        folder = f"stages/{stage.name}/rest"
        parts = self.folder.parquet(folder)
        if not parts or self.folder.read_json(f"stages/{stage.name}/review.json") is not None:
            return
        found = self._sheet(self.folder.at("review", f"{stage.name}.csv"), folder)
        if found is None:
            return
        files.delete(self.folder.at("labels", f"{stage.name}-review.parquet"))  # of a version that wrote one file
        for uri in parts:
            self._write(f"{stage.name}-review-{os.path.basename(uri)}", self._rows([uri]), found)
        if not found.open:
            self._note(stage.name, "review", len(found.labels), found)

    def _write(self, name: str, rows: Iterable[Row], found: Answered) -> None:
        given = [{**row, "given": judged(found.labels[row["uid"]], row)} for row in rows if row["uid"] in found.labels]
        write_or_delete(self.folder.at("labels", name), finish_rows(given, self.resolved))


def sheet_of(sheet: str, number: int) -> str:
    """The sheet of a round; later rounds have one of their own."""
    if not number:
        return sheet
    stem, end = os.path.splitext(sheet)
    name = f"{stem}-{number + 1}{end}"
    # Once the name was cut at the last dot of the whole path: a sheet that went out so is still taken.
    stem, dot, end = sheet.rpartition(".")
    old = f"{stem}-{number + 1}{dot}{end}"
    return old if not files.exists(name) and files.exists(old) else name


def judged(answers: Mapping[str, LabelValue | None], row: Row) -> str:
    """A person's labels, or the truth's, as `given`: nothing is surer. One that was spread to the row and stayed as it
    was keeps its confidence and where it came from; a dimension that was not judged has neither label nor confidence.
    """
    labels = {name: label for name, label in answers.items() if label is not None}
    before = orjson.loads(row.get("given") or "{}")
    spread = before.get("labels", {})
    kept = {name for name, label in labels.items() if name in spread and spread[name] == label}
    known = before.get("confidence", {})
    confidence = {name: known[name] if name in kept else 1.0 for name in labels}
    propagated = [entry for entry in before.get("propagated", ()) if entry["dimension"] in kept]
    return orjson.dumps({"labels": labels, "confidence": confidence, "propagated": propagated}).decode()


def _problem(found: SheetProblem, line: int) -> Problem:
    return Problem(found.file, line, found.column, found.message)
