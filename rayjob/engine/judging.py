"""The choose stage's actors: rows of a part in, labels and failures of that part out. Trains nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from rayjob.choice.errors import ChoiceError
from rayjob.engine.columns import CALLS, FAILURE, IDENTITY, split_failures, to_table
from rayjob.engine.operator import with_heirs
from rayjob.engine.parts import Part
from rayjob.engine.spread_blocks import write_or_delete
from rayjob.spec.choice import ChooseStep
from rayjob.steps.choose import Choose
from rayjob.store import files
from rayjob.store.runfolder import RunFolder

Row = dict[str, Any]
CHOICE = pa.struct(
    [
        ("which", pa.string()), ("confidence", pa.float64()), ("ranking", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.float64())), ("why", pa.list_(pa.string())),
    ]
)  # fmt: skip


#: What `choose` makes; a field of this name in the input is the user's own and stays in `metadata`.
MADE = ("labels", "confidence", "choice")


def choice_row(row: Mapping[str, Any]) -> Row:
    """A prepared (or generated) row as the choice steps read it: its metadata beside it, question from query."""
    metadata = orjson.loads(row.get("metadata") or "{}")
    beside = {name: value for name, value in metadata.items() if name not in row and name not in MADE}
    return {**beside, **row, "question": row.get("query") or metadata.get("question") or ""}


def judged_schema(dimension: str) -> pa.Schema:
    """What labels/ holds of a choice: the verdict as a label of one dimension, and all of it in `choice`."""
    texts = [(name, pa.list_(pa.string())) for name in ("issues", "warnings")]
    return pa.schema(
        [
            *IDENTITY, ("labels", pa.struct([(dimension, pa.string())])),
            ("confidence", pa.struct([(dimension, pa.float64())])), ("choice", CHOICE), *texts,
            ("arbitrated", pa.bool_()), ("calls", CALLS), ("inherits", pa.string()), ("failure", FAILURE),
        ]
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgeWork:
    """What an actor needs: the step, the parts, the run folder, its stage, the weights."""

    spec: ChooseStep
    parts: tuple[Part, ...]
    output: str
    stage: str
    weights: str

    def marker(self, part: Part) -> str:
        """What says that a part is done."""
        return f"stages/{self.stage}/{part.name}.json"


class JudgePart:
    """The callable class that Ray Data keeps in each actor: numbers of parts in, counts of rows out."""

    def __init__(self, work: JudgeWork) -> None:
        self.work = work
        self.schema = judged_schema(work.spec.dimension)
        self.choose: Choose | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Rows done, and why nothing can be: weights or data that are refused. Raised here, Ray would keep of the
        sentence a traceback alone."""
        rows, refused = [0] * len(batch["item"]), ""
        try:
            self.choose = self.choose or _open(self.work)
            rows = [self._judge(self.choose, self.work.parts[int(item)]) for item in batch["item"]]
        except ChoiceError as error:
            refused = str(error)
        return {"rows": np.array(rows), "refused": np.array([refused] * len(rows), dtype=object)}

    def _judge(self, choose: Choose, part: Part) -> int:
        found: list[Row] = []
        for batch in part.read().to_batches(max_chunksize=self.work.spec.batch):
            rows = batch.to_pylist()
            judged = choose([choice_row(row) for row in rows])
            found += [heir for row, told in zip(rows, judged, strict=True) for heir in with_heirs(_outcome(row, told))]
        good, bad = split_failures(to_table(found, self.schema))
        folder = RunFolder(self.work.output)
        for name, table in (("labels", good), ("failures", bad)):
            write_or_delete(folder.at(name, f"{self.work.stage}-{part.name}.parquet"), table)
        folder.write_json(self.work.marker(part), {"labels": good.num_rows, "failures": bad.num_rows})
        return len(found)


def _open(work: JudgeWork) -> Choose:
    """The step with its model. Raises ChoiceError for weights that cannot be used, or that keep no such precision."""
    from rayjob.choice.predict import ChoiceModel  # imports torch: only in the actor

    folder = work.weights.rpartition("/")[0]
    model = ChoiceModel(
        files.read_bytes(work.weights), work.spec.device, work.spec.architecture,
        lambda name: files.read_bytes(f"{folder}/{name}"),
    )  # fmt: skip
    threshold = None if work.spec.precision is None else model.threshold(work.spec.precision)
    return Choose(work.spec, partial(model.judge_rows, reasons=work.spec.reasons), threshold)


def _outcome(row: Row, told: Mapping[str, Any]) -> Row:
    """The row as it came in (its metadata as text), with what was decided about it."""
    made = {name: told.get(name) for name in ("labels", "confidence", "choice", "failure")}
    return {"issues": [], "warnings": [], "arbitrated": False, "calls": [], **row, **made}
