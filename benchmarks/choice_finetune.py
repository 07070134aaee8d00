"""What fine-tuning the small encoder adds: features alone, encoder alone, both; a GPU does a split in a minute or two.

    python -m benchmarks.choice_finetune --data DIR [--sets NAME ...] [--seeds 0 1 2] [--work DIR] [--out FILE]

One test fold a seed; the first validation fold stops the encoder and says what the two weigh. Resumes from --work.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.choice import Folder, find_sets, read_set
from rayjob.choice.corpus import Corpus, score_pairs
from rayjob.choice.finetune import TuneSettings, pair_differences
from rayjob.choice.fold import TrainSettings, run_fold
from rayjob.choice.judges import SymmetricJudge
from rayjob.choice.split import split_questions

Parts = dict[str, tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Runs every set and seed and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=384)
    parser.add_argument("--work", type=Path, default=Path(".choice-benchmark"))
    parser.add_argument("--out", type=Path, default=Path("choice_finetune.json"))
    args = parser.parse_args()
    settings = TrainSettings(tune=TuneSettings(epochs=args.epochs, max_tokens=args.max_tokens))
    results = {}
    for name in args.sets or find_sets(args.data):
        corpus = read_set(args.data, name)
        parts = [run(corpus, settings, seed, Folder(args.work)) for seed in args.seeds]
        results[name] = {key: pooled(corpus, [part[key] for part in parts]) for key in parts[0]}
        print(name, json.dumps(results[name], indent=2), flush=True)
        Folder(args.out.parent).write(args.out.name, json.dumps(results, indent=2).encode())


def run(corpus: Corpus, settings: TrainSettings, seed: int, files: Folder) -> Parts:
    """(test pairs, log-odds) of features alone, encoder alone and both, for one seed."""
    start = time.perf_counter()
    outcome = run_fold(corpus, split_questions(corpus.reasonings, seed), 0, settings, files)
    assert isinstance(outcome.judge, SymmetricJudge)
    assert outcome.judge.text is not None
    used, places = np.unique(outcome.pairs, return_inverse=True)
    text = outcome.judge.text([corpus.reasonings[index] for index in used])
    features = outcome.judge.table_scores(corpus.table)
    print(f"seed {seed}: {dict(outcome.notes)}; {time.perf_counter() - start:.0f} s", flush=True)
    return {
        "features": (outcome.pairs, pair_differences(features, outcome.pairs)),
        "encoder": (outcome.pairs, pair_differences(text, places.reshape(outcome.pairs.shape))),
        "both": (outcome.pairs, outcome.logits),
    }


def pooled(corpus: Corpus, parts: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Accuracy over the seeds' test folds."""
    pairs, logits = (np.concatenate([part[n] for part in parts]) for n in range(2))
    return str(score_pairs(corpus.reasonings, pairs, logits).accuracy)


if __name__ == "__main__":
    main()
