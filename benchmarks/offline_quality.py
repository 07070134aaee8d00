#!/usr/bin/env python3
"""How far `offline/lexical` agrees with recorded labels, beside always giving the one best constant answer.

    python -m benchmarks.offline_quality RAW_SAMPLES.json LABELED.json

Goes through the shipped prompts and the same prepare, parse and resolve code as a run; only LiteLLM is left out. The
constant is chosen with the labels in sight, per dimension and per measure: the strongest that never looks.
The word tables were written by somebody who had seen the requests of gold108 in passing: on other data expect less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rayjob.labels.answer import parse_answer
from rayjob.labels.prompt import Template
from rayjob.labels.records import Record
from rayjob.labels.tags import LabelValue, resolve
from rayjob.labels.taxonomy import Taxonomy, parse_taxonomy
from rayjob.labels.votes import jaccard
from rayjob.llm.offline import OfflineModel
from rayjob.spec.label import LabelStep
from rayjob.spec.prepare import PrepareStep
from rayjob.steps.label import Asking, Label
from rayjob.steps.prepare import Prepare
from rayjob.steps.row import Row, start_row

ROOT = Path(__file__).resolve().parent.parent
CALLS = {
    "character": ("intent", "language", "domain", "task", "difficulty"),
    "capability": ("concept", "agentic", "constraint", "context"),
}
Tags = frozenset[str]


def exact(left: Tags, right: Tags) -> float:
    """1 where both sets are the same."""
    return float(left == right)


def label_steps(taxonomy: Taxonomy) -> list[Label]:
    """The two calls of the shipped prompts."""
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "prompts/code-sft").glob("*.j2")}
    return [
        Label(call, LabelStep(dimensions=dims, model="offline", prompt=call), taxonomy,
              Template(files[f"{call}.j2"], f"{call}.j2", files))
        for call, dims in CALLS.items()
    ]  # fmt: skip


def label_offline(taxonomy: Taxonomy, samples: Iterable[object]) -> tuple[dict[str, Row], list[float]]:
    """Labels and confidence by sample id, and the seconds of each call."""
    model, steps = OfflineModel(taxonomy), label_steps(taxonomy)
    records = (Record(row=number, value=sample) for number, sample in enumerate(samples))
    done: dict[str, Row] = {}
    seconds = []
    for prepared in Prepare(PrepareStep())(records, "samples"):
        row = start_row(dict(prepared))
        for step in steps:
            question = step.question(row, Asking(step.name, "offline", step.dims))
            began = time.perf_counter()
            text = model.answer(question.messages, question.schema or {})
            seconds.append(time.perf_counter() - began)
            found = resolve(parse_answer(text, step.dims), step.dims, taxonomy)
            row["labels"].update(found.labels)
            row["confidence"].update(found.confidence)
        done[str(row["id"])] = row
    return done, seconds


def as_set(value: LabelValue) -> Tags:
    """A label as a set of tags."""
    return frozenset([value] if isinstance(value, str) else value) - {""}


def best_constant(gold: Sequence[Tags], measure: Callable[[Tags, Tags], float]) -> float:
    """What the best answer reaches that is the same for every sample: one recorded set, one tag, or none."""
    candidates = {frozenset[str](), *gold, *(frozenset([tag]) for tags in gold for tag in tags)}
    return max(statistics.fmean(measure(tags, constant) for tags in gold) for constant in candidates)


def compare(done: Mapping[str, Row], gold: Mapping[str, Mapping[str, LabelValue]], dimension: str) -> str:
    """One line of the table."""
    pairs = [(as_set(row["labels"][dimension]), as_set(gold[name][dimension])) for name, row in done.items()]
    cells = []
    for measure in (exact, jaccard):
        cells += [
            statistics.fmean(measure(*pair) for pair in pairs),
            best_constant([want for _, want in pairs], measure),
        ]
    confidence = statistics.fmean(row["confidence"][dimension] for row in done.values())
    return f"| {dimension} | " + " | ".join(f"{cell:.3f}" for cell in (*cells, confidence)) + " |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("labelled", type=Path)
    args = parser.parse_args()
    taxonomy, _ = parse_taxonomy(
        {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "taxonomy/code-sft").glob("*.yaml")}
    )
    gold = {entry["id"]: entry["labels"] for entry in json.loads(args.labelled.read_text(encoding="utf-8"))}
    done, seconds = label_offline(taxonomy, json.loads(args.samples.read_text(encoding="utf-8")))
    print("| dimension | exact | constant | Jaccard | constant | mean confidence |")
    print("| --- | --- | --- | --- | --- | --- |")
    for dims in CALLS.values():
        for dimension in dims:
            print(compare(done, gold, dimension))
    print(f"\n{len(done)} samples; a call takes {1000 * statistics.median(seconds):.1f} ms (median), without LiteLLM")


if __name__ == "__main__":
    main()
