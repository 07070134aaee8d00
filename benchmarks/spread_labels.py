"""Many rows labelled through few answers: `rayjob run specs/spread.yaml` beside every row asked of the same model.

    python -m benchmarks.spread_labels SAMPLES.json LABELLED.json --rows 20000 --out OUT

SAMPLES are conversations, LABELLED the same with labels that somebody trusts. The conversations are repeated up to
`--rows`, every copy but the first with a share of the words of each question dropped and another swapped. The model is
`offline/lexical`, billed at the price of `--price-of`. What is done already is found under OUT and not done again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq

from benchmarks.offline_quality import ROOT, Tags, as_set, exact, label_steps
from rayjob.labels.answer import parse_answer
from rayjob.labels.records import Record
from rayjob.labels.tags import resolve
from rayjob.labels.taxonomy import Taxonomy, parse_taxonomy
from rayjob.labels.votes import jaccard
from rayjob.llm.offline import OfflineModel, count_usage
from rayjob.llm.prices import Prices, prices_of
from rayjob.spec.models import ModelSpec
from rayjob.spec.prepare import PrepareStep
from rayjob.steps.label import Asking
from rayjob.steps.prepare import Prepare
from rayjob.steps.row import start_row

Json = dict[str, Any]
_TOKEN = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]|\s+")


def perturb(text: str, share: float, rng: random.Random) -> str:
    """Half of `share` of its words (or CJK characters) dropped, as many swapped with the next."""
    tokens = _TOKEN.findall(text)
    words = [place for place, token in enumerate(tokens) if not token.isspace()]
    for place, following in pairwise(words):
        chance = rng.random()
        if chance < share / 2:
            tokens[place] = ""
        elif chance < share:
            tokens[place], tokens[following] = tokens[following], tokens[place]
    return "".join(tokens)


def copies(samples: Sequence[Json], rows: int, share: float) -> Iterator[Json]:
    """The samples over and over, with ids of their own; `metadata.origin` says which one a copy is of."""
    for number in range(rows):
        sample, again = samples[number % len(samples)], number // len(samples)
        rng = random.Random(number)
        turns = [
            {
                **turn,
                "value": perturb(turn["value"], share, rng) if again and turn["from"] == "human" else turn["value"],
            }
            for turn in sample["conversations"]
        ]
        yield {**sample, "id": f"{sample['id']}-{again}", "conversations": turns, "metadata": {"origin": sample["id"]}}


def make_input(options: argparse.Namespace) -> Path:
    """One JSON Lines file."""
    file: Path = options.out / "input" / "rows.jsonl"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = json.loads(options.samples.read_text(encoding="utf-8"))
        found = copies(samples, options.rows, options.share)
        partial = file.with_suffix(".part")
        partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")
        partial.rename(file)
    return file


def run_spec(options: argparse.Namespace, file: Path, prices: Prices) -> None:
    """The shipped spec with this input, budget and price; goes on where an earlier call stopped."""
    price = {"input_usd_per_mtok": prices.input_usd * 1e6, "output_usd_per_mtok": prices.output_usd * 1e6}
    sets = {
        "input.path": str(file.resolve()), "steps.2.represent.budget": options.budget,
        "models.worker.price": json.dumps(price),
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "rayjob"), "run", str(ROOT / "specs" / "spread.yaml")]
    command += ["--output", str((options.out / "run").resolve())]
    for name, value in sets.items():
        command += ["--set", f"{name}={value}"]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(f"rayjob run ended with {code}; run this again to go on")


def label_everything(options: argparse.Namespace, file: Path, taxonomy: Taxonomy) -> dict[str, Json]:
    """Labels and tokens of every row by the same prompts and model, without Ray and LiteLLM in between."""
    kept: Path = options.out / "everything.json"
    if not kept.exists():
        model, steps = OfflineModel(taxonomy), label_steps(taxonomy)
        with file.open(encoding="utf-8") as lines:
            records = (Record(row=number, value=json.loads(line)) for number, line in enumerate(lines))
            done = {
                str(row["id"]): label_one(start_row(dict(row)), model, steps, taxonomy)
                for row in Prepare(PrepareStep())(records, "rows")
            }
        kept.write_text(json.dumps(done))
    found: dict[str, Json] = json.loads(kept.read_text())
    return found


def label_one(row: Any, model: OfflineModel, steps: Sequence[Any], taxonomy: Taxonomy) -> Json:
    """One row through the calls of the shipped prompts."""
    prompt_tokens = completion_tokens = 0
    for step in steps:
        question = step.question(row, Asking(step.name, "offline", step.dims))
        text = model.answer(question.messages, question.schema or {})
        usage = count_usage(question.messages, text)
        prompt_tokens, completion_tokens = prompt_tokens + usage[0], completion_tokens + usage[1]
        row["labels"].update(resolve(parse_answer(text, step.dims), step.dims, taxonomy).labels)
    return {"labels": row["labels"], "tokens": [prompt_tokens, completion_tokens], "calls": len(steps)}


def read_run(folder: Path) -> dict[str, Json]:
    """The run's rows by id."""
    columns = ["id", "labels", "calls", "propagated"]
    tables = [pq.read_table(file, columns=columns) for file in sorted((folder / "labels").glob("*.parquet"))]
    rows = (row for table in tables for row in table.to_pylist())
    return {row["id"]: {**row, "propagated": row["propagated"] or []} for row in rows}


def agreement(
    left: Mapping[str, Json], right: Mapping[str, Json], ids: Sequence[str], name: str,
    measure: Callable[[Tags, Tags], float] = exact,
) -> float:  # fmt: skip
    """Mean agreement of one dimension over these rows; nan without rows."""
    pairs = ((as_set(left[row]["labels"][name]), as_set(right[row]["labels"][name])) for row in ids)
    return fmean(measure(*pair) for pair in pairs) if ids else float("nan")


def show(options: argparse.Namespace, run: Mapping[str, Json], everything: Mapping[str, Json], prices: Prices) -> None:
    """Calls, cost, and a table of the dimensions."""
    trusted = {entry["id"]: entry for entry in json.loads(options.labelled.read_text(encoding="utf-8"))}
    gold = {row: trusted[row.rpartition("-")[0]] for row in everything}
    calls = [call for row in run.values() for call in row["calls"]]
    all_calls = sum(row["calls"] for row in everything.values())
    all_usd = sum(prices.cost(row["tokens"][0], 0, row["tokens"][1]) for row in everything.values())
    usd = sum(call["cost_usd"] for call in calls)
    asked = [row for row, found in run.items() if found["calls"] and not found["propagated"]]
    print(f"{len(run)} of {len(everything)} rows have labels; {len(asked)} of them from calls alone")
    print(f"calls {len(calls)} of {all_calls} ({len(calls) / all_calls:.1%}), "
          f"cost ${usd:.2f} of ${all_usd:.2f} ({usd / all_usd:.1%}) at the price of {options.price_of}")  # fmt: skip
    print(f"labels of rows asked about, the same as in labelling everything: {same(run, everything, asked):.2%}")
    print("\n| dimension | spread | of the spread, same | of all rows, same | Jaccard "
          "| a copy's answer, same as its first's | right: everything | right: spread run |")  # fmt: skip
    print("| --- " * 8 + "|")
    rows = sorted(run)
    first = {row: everything[f"{row.rpartition('-')[0]}-0"] for row in rows}
    for name in next(iter(everything.values()))["labels"]:
        spread = [row for row in rows if any(found["dimension"] == name for found in run[row]["propagated"])]
        cells = [
            len(spread) / len(rows), agreement(run, everything, spread, name), agreement(run, everything, rows, name),
            agreement(run, everything, rows, name, jaccard), agreement(everything, first, rows, name),
            agreement(everything, gold, rows, name), agreement(run, gold, rows, name),
        ]  # fmt: skip
        print(f"| {name} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
    print("\nrows by the number of their dimensions that were spread:",
          dict(sorted(Counter(len(row["propagated"]) for row in run.values()).items())))  # fmt: skip


def same(run: Mapping[str, Json], everything: Mapping[str, Json], rows: Sequence[str]) -> float:
    """Share of labels that are the same, over all dimensions."""
    names = list(next(iter(everything.values()))["labels"])
    return fmean(agreement(run, everything, rows, name) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05, help="of the words of a question, dropped or swapped")
    parser.add_argument("--budget", type=float, default=0.05)
    parser.add_argument("--price-of", default="deepseek/deepseek-chat", help="a model of LiteLLM's price table")
    parser.add_argument("--out", type=Path, default=Path("out/spread-labels"))
    options = parser.parse_args()
    files = (ROOT / "taxonomy" / "code-sft").glob("*.yaml")
    taxonomy, _ = parse_taxonomy({path.name: path.read_text(encoding="utf-8") for path in files})
    prices = prices_of(ModelSpec(model=options.price_of))
    file = make_input(options)
    run_spec(options, file, prices)
    show(options, read_run(options.out / "run"), label_everything(options, file, taxonomy), prices)


if __name__ == "__main__":
    main()
