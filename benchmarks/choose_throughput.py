"""How fast `choose` judges: its work on ready tensors against a plain torch loop over the same ones, and from texts.

    python -m benchmarks.choose_throughput --weights model.safetensors [--pairs 20000] [--batch 256] [--device cpu|cuda]

Prints pairs/s of (1) a plain torch loop over ready tensors, (2) ChoiceModel over the same: scores, winners, confidence
and rankings, without and with the features that decided, (3) the step end to end from texts. The rounds of (1) and (2)
take turns, so that a load beside them strikes both. On a GPU also its utilisation, and the roofline: bytes and
operations per pair against the peak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from rayjob.choice.data import Reasoning
from rayjob.choice.network import Symmetric
from rayjob.choice.predict import ChoiceModel
from rayjob.choice.table import FeatureTable, feature_names
from rayjob.spec.choice import ChooseStep
from rayjob.steps.choose import Choose


def main() -> None:
    """Runs the three measurements and prints them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--texts", type=int, default=400, help="pairs judged from their texts")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = ChoiceModel(args.weights.read_bytes(), args.device)
    values = np.random.default_rng(0).normal(size=(2 * args.pairs, len(feature_names()))).astype(np.float32)
    tables = [
        part(values, start, 2 * args.batch, model.info.vectors) for start in range(0, len(values), 2 * args.batch)
    ]
    tensors = [torch.from_numpy(np.concatenate([table.values, table.vectors], axis=1)) for table in tables]
    groups = [[(NOTHING, NOTHING)] * (len(table) // 2) for table in tables]
    judged = list(zip(groups, tables, strict=True))
    few = judged[: max(1, len(judged) // 10)]
    plain, ours = best_of(
        lambda: plain_loop(model, tensors, args.device), lambda: [model.judge_table(*one, 0) for one in judged]
    )
    told = best_of(lambda: [model.judge_table(*one) for one in few])[0]
    sample = usage() if args.device == "cuda" else None
    whole = best_of(lambda: from_texts(model, args.texts, args.batch), rounds=1)[0]
    print(json.dumps({
        "device": args.device, "batch_pairs": args.batch, "plain_loop_pairs_s": round(args.pairs / plain),
        "choose_pairs_s": round(args.pairs / ours), "choose_over_plain": round(plain / ours, 3),
        "with_reasons_pairs_s": round(sum(len(one[0]) for one in few) / told),
        "from_texts_pairs_s": round(args.texts / whole, 1), "gpu": sample, "per_pair": per_pair(model),
    }, indent=2))  # fmt: skip


#: A candidate of which only the features are known.
NOTHING = Reasoning("", "", "", "")


def part(values: np.ndarray, start: int, size: int, vectors: int) -> FeatureTable:
    """A batch as a table."""
    rows = values[start : start + size]
    return FeatureTable(feature_names(), rows, np.zeros((len(rows), vectors), np.float32))


def best_of(*runs: Callable[[], object], rounds: int = 5) -> list[float]:
    """Seconds of the fastest round of each, in turns, after one to warm up."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + 1):
        for run, found in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            found.append(time.perf_counter() - start)
    return [min(found[1:]) for found in times]


def plain_loop(model: ChoiceModel, tensors: list[torch.Tensor], device: str) -> None:
    """The network over the same tensors, nothing around it."""
    with torch.no_grad():
        for tensor in tensors:
            model.network(tensor.to(device)).cpu()


def from_texts(model: ChoiceModel, pairs: int, batch: int) -> None:
    """The whole step: reading, features, network, reasons."""
    rows = [
        {
            "query": f"Ann has {n} pears and buys {n + 3} more. How many has she?",
            "candidates": [
                {"reasoning": f"First {n}. " * 20 + f"So {n} + {n + 3} = {2 * n + k} pears.", "answer": str(2 * n + k)}
                for k in (3, 4)
            ],
        }
        for n in range(pairs)
    ]
    step = Choose(ChooseStep(), model.judge_rows)
    for start in range(0, pairs, batch):
        step(rows[start : start + batch])


def per_pair(model: ChoiceModel) -> dict[str, float]:
    """Floating-point operations and bytes moved per pair: what the roofline is drawn with."""
    assert isinstance(model.network, Symmetric)
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    leaves = sum(int(member.trees.features.numel()) for member in model.network.members)
    return {
        "flop": 4.0 * weights + 4.0 * leaves,
        "input_bytes": 8.0 * len(model.info.features),
        "weights": float(weights),
    }


def usage() -> str:
    """The GPU's name, utilisation and memory, as nvidia-smi has them."""
    query = "--query-gpu=name,utilization.gpu,memory.used"
    done = subprocess.run(["nvidia-smi", query, "--format=csv,noheader"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
