"""Who labels the chosen rows: the label steps, people with a sheet, or a column of truth. Chooses no rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow.parquet as pq

from rayjob.engine.spread_blocks import finish_rows
from rayjob.labels.tags import LabelValue
from rayjob.plan.graph import Stage
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.spread import AskStep
from rayjob.steps.ask import Answered, SheetProblem, read_sheet, read_truth, write_sheet
from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet
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
        self._subset(name, self._chosen(number))
        rows = list(self._rows(f"stages/{name}"))
        is_truth = self.spec.source == "truth"
        found = self._truth(rows) if is_truth else self._sheet(self._sheet_of(number), rows)
        if found is None or self.run.why:
            return
        self._write(f"{name}.parquet", rows, found.labels)
        facts = {"rows": len(rows), "labelled": len(found.labels)}
        self.folder.write_json(f"stages/{stage}/{name}.json", facts)
        self.run.log.write("note", message=f"{name}: {facts['labelled']} of {facts['rows']} rows have a label")

    def _rows(self, folder: str) -> Iterable[Row]:
        for uri in self.folder.parquet(folder):
            with files.open_input(uri) as source:
                yield from pq.read_table(source).to_pylist()

    def _truth(self, rows: Sequence[Row]) -> Answered:
        found = read_truth(rows, self.spec.fields, self.dims)
        if found.problems:
            raise SpecError([_problem(problem, 0) for problem in found.problems])
        return found

    def _sheet_of(self, number: int) -> str:
        """The sheet of a round; later rounds have one of their own."""
        assert self.spec.sheet is not None
        stem, dot, end = self.spec.sheet.rpartition(".")
        return f"{stem}-{number + 1}{dot}{end}" if number else self.spec.sheet

    def _sheet(self, uri: str, rows: Sequence[Row]) -> Answered | None:
        """What people wrote; None where the sheet has just gone out. Raises SpecError with every cell to mend."""
        if not files.exists(uri):
            files.write_atomic(uri, write_sheet(rows, self.dims))
            self._wait(uri, len(rows))
            return None
        found = read_sheet(uri, files.read_bytes(uri), [row["uid"] for row in rows], self.dims)
        if found.problems:
            raise SpecError([_problem(problem, problem.row) for problem in found.problems])
        if found.open:
            self._wait(uri, len(found.open))
        return found

    def _wait(self, uri: str, rows: int) -> None:
        self.run.why = f"waiting for review sheet {uri}: {rows} rows are open; fill in their labels"

    def review_rest(self, stage: Stage) -> None:
        """A sheet of the rows that `propagate` did not accept; what people filled in is labelled."""
        rows = list(self._rows(f"stages/{stage.name}/rest"))
        if not rows:
            return
        found = self._sheet(self.folder.at("review", f"{stage.name}.csv"), rows)
        if found is not None:
            self._write(f"{stage.name}-review.parquet", rows, found.labels)

    def _write(self, name: str, rows: Sequence[Row], labels: Mapping[str, Mapping[str, LabelValue]]) -> None:
        known = [row for row in rows if row["uid"] in labels]
        given = [{**row, "given": judged(labels[row["uid"]], row)} for row in known]
        table = finish_rows(given, self.resolved)
        if table.num_rows:
            write_parquet(self.folder.at("labels", name), table)


def judged(labels: Mapping[str, LabelValue], row: Row) -> str:
    """A person's labels, or the truth's, as `given`: nothing is surer. One that was spread to the row and stayed as it
    was keeps its confidence and where it came from."""
    before = orjson.loads(row.get("given") or "{}")
    spread = before.get("labels", {})
    kept = {name for name, label in labels.items() if name in spread and spread[name] == label}
    known = before.get("confidence", {})
    confidence = {name: known[name] if name in kept else 1.0 for name in labels}
    propagated = [entry for entry in before.get("propagated", ()) if entry["dimension"] in kept]
    return orjson.dumps({"labels": labels, "confidence": confidence, "propagated": propagated}).decode()


def _problem(found: SheetProblem, line: int) -> Problem:
    return Problem(found.file, line, found.column, f"{found.value!r} is not {found.accepted}")
