"""What fine-tuning the small encoder adds: features alone, encoder alone, both; a GPU does a split in a minute or two.

    python benchmarks/choice_finetune.py --data DIR [--sets NAME ...] [--seeds 0 1 2] [--out choice_finetune.json]

One test and one validation fold per seed; the weights of the two are fitted on the validation fold.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.choice import Folder, find_sets, read_set
from rayjob.choice.finetune import TuneSettings, blend, fine_tune
from rayjob.choice.fit import FitSettings, fit_member
from rayjob.choice.scores import bootstrap, hits
from rayjob.choice.split import split_questions
from rayjob.choice.train import Corpus
from rayjob.choice.trees import PairSet


def main() -> None:
    """Runs every set and seed and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=384)
    parser.add_argument("--out", type=Path, default=Path("choice_finetune.json"))
    args = parser.parse_args()
    results = {}
    for name in args.sets or find_sets(args.data):
        corpus = read_set(args.data, name)
        parts = [
            run(corpus, TuneSettings(epochs=args.epochs, max_tokens=args.max_tokens, seed=seed)) for seed in args.seeds
        ]
        results[name] = {key: pooled(corpus, [part[key] for part in parts]) for key in parts[0]}
        print(name, json.dumps(results[name], indent=2), flush=True)
        Folder(args.out.parent).write(args.out.name, json.dumps(results, indent=2).encode())


def run(corpus: Corpus, settings: TuneSettings) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(test pairs, log-odds) of features alone, encoder alone and both, for one seed."""
    start = time.perf_counter()
    split = split_questions(corpus.reasonings, settings.seed)
    train, place = split.folds[corpus.pairs[:, 0]] > 1, split.folds[corpus.scored[:, 0]]
    test, valid = corpus.scored[place == 0], corpus.scored[place == 1]
    pairs = PairSet(corpus.pairs[train], corpus.weights[train], valid)
    member = fit_member(corpus.table, np.flatnonzero(split.folds > 1), pairs, FitSettings(), settings.seed)
    x = np.concatenate([corpus.table.values, corpus.table.vectors], axis=1)
    with torch.no_grad():
        features = member(torch.from_numpy(x)).double().numpy()
    text = fine_tune(corpus.reasonings, pairs, settings, lambda line: print(line, flush=True))
    own, other = blend(features, text, valid)
    print(f"seed {settings.seed}: weights {own:.2f}, {other:.2f}; {time.perf_counter() - start:.0f} s", flush=True)
    scores = {"features": features, "encoder": text, "both": own * features + other * text}
    return {name: (test, found[test[:, 0]] - found[test[:, 1]]) for name, found in scores.items()}


def pooled(corpus: Corpus, parts: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Accuracy over the seeds' test folds."""
    pairs, logits = (np.concatenate([part[n] for part in parts]) for n in range(2))
    return str(bootstrap(hits(logits), [corpus.reasonings[first].qid for first, _ in pairs]))


if __name__ == "__main__":
    main()
