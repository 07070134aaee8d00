"""Which of two reasonings is better: every figure of docs/choice.md, measured on a folder of judged reasonings.

    python benchmarks/choice.py --data DIR [--out choice.json] [--seeds 0 1 2] [--tested 1] [--work DIR] [--limit-s N]

Members are kept in --work: after --limit-s seconds it ends with code 3, and the same command goes on.
DIR holds pairs of files NAME.jsonl (question, cot or reasoning, answer, correct, qid, model; model_acc and peer_answers
where there are any) and NAME_pairs.jsonl ({qid, good, bad}). Any set of these fields runs, without retuning.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rayjob.choice.baselines import measure_baselines
from rayjob.choice.corpus import Corpus, read_corpus, score_pairs, sibling_logits
from rayjob.choice.fold import Outcome, TrainSettings, run_fold
from rayjob.choice.guards import Held, run_guards
from rayjob.choice.scores import Interval, Scores
from rayjob.choice.split import split_questions
from rayjob.choice.train import pooled_scores


class Folder:
    """Members between two runs of the benchmark, so that a run that was stopped goes on."""

    def __init__(self, path: Path, until: float = float("inf")) -> None:
        self.path, self.until = path, until

    def read(self, name: str) -> bytes | None:
        """The bytes, None where there are none."""
        file = self.path / name
        return file.read_bytes() if file.exists() else None

    def write(self, name: str, data: bytes) -> None:
        """Replaces the file in one go."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(data)
        part.replace(file)
        if time.monotonic() > self.until:
            print(f"time is up; {name} is written, the same command goes on from there", file=sys.stderr)
            raise SystemExit(3)


def main() -> None:
    """Reads the arguments, runs every set, prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("choice.json"))
    parser.add_argument("--work", type=Path, default=Path(".choice-benchmark"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--tested", type=int, default=1, help="folds held out in turn per seed; 5: every pair is tested"
    )
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="end after this; run again to go on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    until = time.monotonic() + args.limit_s
    settings = TrainSettings(seeds=tuple(args.seeds), tested=args.tested)
    corpora = {name: read_set(args.data, name) for name in find_sets(args.data)}
    files = Folder(args.work, until)
    outcomes = {name: run_set(name, corpus, settings, files) for name, corpus in corpora.items()}
    results = {name: measure(name, corpora, outcomes, settings) for name in corpora}
    args.out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    print(f"\nwritten: {args.out}")


def find_sets(folder: Path) -> list[str]:
    """Names for which both files are there."""
    names = sorted(path.name.removesuffix("_pairs.jsonl") for path in folder.glob("*_pairs.jsonl"))
    found = [name for name in names if (folder / f"{name}.jsonl").exists()]
    if not found:
        raise SystemExit(f"{folder}: no NAME.jsonl with a NAME_pairs.jsonl beside it")
    return found


def read_set(folder: Path, name: str) -> Corpus:
    """One set, with its features."""
    start = time.perf_counter()
    rows, pairs = ([json.loads(line) for line in (folder / f).open()] for f in (f"{name}.jsonl", f"{name}_pairs.jsonl"))
    corpus = read_corpus(rows, pairs)
    print(f"{name}: {len(rows)} reasonings read in {time.perf_counter() - start:.0f} s", flush=True)
    return corpus


def run_set(name: str, corpus: Corpus, settings: TrainSettings, files: Folder) -> list[Outcome]:
    """All held-out folds of all seeds."""
    found = []
    for seed in settings.seeds:
        split = split_questions(corpus.reasonings, seed, settings.folds)
        for fold in range(settings.tested):
            start = time.perf_counter()
            found.append(run_fold(corpus, split, fold, settings, files))
            print(f"{name}: seed {seed}, fold {fold}: {time.perf_counter() - start:.0f} s", flush=True)
    return found


def measure(
    name: str, corpora: dict[str, Corpus], outcomes: dict[str, list[Outcome]], settings: TrainSettings
) -> dict[str, object]:
    """Prints and returns the figures of one set."""
    corpus, found = corpora[name], outcomes[name]
    scores = {
        "single pair": pooled_scores(corpus, found),
        "with 4 siblings": with_siblings(corpus, found, 4),
        "with 8 siblings": with_siblings(corpus, found, 8),
        **{
            f"{name} → {other}": across(found[:: settings.tested], corpora[other]) for other in corpora if other != name
        },
    }
    print(f"\n## {name}\n")
    print("| | accuracy | most confident half | length-controlled | ECE |\n| --- | --- | --- | --- | --- |")
    for label, value in scores.items():
        if value is not None:
            figures = (value.accuracy, value.confident_half, value.length_controlled, f"{value.ece:.3f}")
            print(f"| {label} | " + " | ".join(map(str, figures)) + " |")
    baselines = measure_baselines(corpus.reasonings, corpus.pairs, [outcome.pairs for outcome in found])
    baselines |= siblings_alone(corpus, found)
    for label, interval in baselines.items():
        print(f"| baseline: {label.replace('_', ' ')} | {interval} | | | |")
    cross = {label: value for label, value in scores.items() if "→" in label and value is not None}
    guards = run_guards(found[0].judge, Held(corpus.reasonings, found[0].pairs, found[0].logits), cross)
    print("\n| guard | held | figure |\n| --- | --- | --- |")
    for guard in guards:
        print(f"| {guard.name} | {guard.passed} | {guard.says} |")
    return {
        "scores": {label: value.to_dict() for label, value in scores.items() if value is not None},
        "per_seed": per_seed(corpus, found, settings),
        "baselines": {label: str(interval) for label, interval in baselines.items()},
        "guards": [guard.to_dict() for guard in guards],
    }


def per_seed(corpus: Corpus, found: list[Outcome], settings: TrainSettings) -> list[float]:
    """Single-pair accuracy of every seed."""
    parts = [found[n * settings.tested : (n + 1) * settings.tested] for n in range(len(settings.seeds))]
    scores = [pooled_scores(corpus, part) for part in parts]
    return [round(value.accuracy.value, 4) for value in scores if value is not None]


def with_siblings(corpus: Corpus, found: list[Outcome], count: int) -> Scores | None:
    """Scores with `count` siblings a pair, half from either side's list; weights from the validation folds."""
    if any(outcome.with_siblings is None for outcome in found):
        return None
    evidence = {
        tuple(pair): value for pair, value in zip(corpus.scored.tolist(), all_evidence(corpus, count), strict=True)
    }
    joint = []
    for outcome in found:
        own, others = outcome.info.sibling_weights
        siblings = np.asarray([evidence[tuple(pair)] for pair in outcome.pairs.tolist()])
        joint.append(replace(outcome, with_siblings=own * outcome.logits + others * siblings))
    return pooled_scores(corpus, joint, with_siblings=True)


def all_evidence(corpus: Corpus, count: int) -> list[float]:
    """The siblings' evidence for every scored pair."""
    return [float(value) for value in sibling_logits(corpus.reasonings, corpus.scored, count)]


def siblings_alone(corpus: Corpus, found: list[Outcome]) -> dict[str, Interval]:
    """What four siblings' votes come to without the classifier; ties count one half."""
    if not corpus.has_siblings:
        return {}
    pairs = np.concatenate([outcome.pairs for outcome in found])
    logits = sibling_logits(corpus.reasonings, pairs, 4)
    return {"4_siblings_alone": score_pairs(corpus.reasonings, pairs, logits).accuracy}


def across(found: list[Outcome], target: Corpus) -> Scores:
    """Scores on another set, of one network per seed; nothing of that set was trained on."""
    logits = [outcome.judge.logits(target.reasonings, target.scored, target.table) for outcome in found]
    return score_pairs(target.reasonings, np.concatenate([target.scored] * len(found)), np.concatenate(logits))


if __name__ == "__main__":
    main()
