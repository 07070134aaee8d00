"""What spreading costs in accuracy: truth as oracle, several budgets and seeds, beside three simpler ways.

    python benchmarks/spreading.py --data banking77_train.csv banking77_test.csv --out OUT

Reads CSV or Parquet with a text and a label column. Vectors are kept under OUT and computed once; runs that stand in
OUT/results.jsonl are not repeated, and `--seconds N` begins none after so long: call it again to go on.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rayjob.choice.embedder import Embedder
from rayjob.vectors.audit import Promise, find_threshold
from rayjob.vectors.cache import embed_cached
from rayjob.vectors.cluster import ClusterSettings, cluster
from rayjob.vectors.propagate import Settings, fit
from rayjob.vectors.spread import Plan, spread
from rayjob.vectors.targets import read_targets

OURS, FORMULA, PROBE, COPIED = "rayjob", "formula, λ = 1, all neighbours", "random linear probe", "hdbscan, copied"


@dataclass(frozen=True)
class Data:
    """Unit vectors (n, d) and the true label of each row (n,)."""

    vectors: NDArray[np.float32]
    truth: NDArray[np.str_]


@dataclass(frozen=True)
class Result:
    """One run: accuracy of the rows not bought; accepted share of them and its precision; `best` peeks at the truth.

    redrawn: the same model with other random audits: accepted share, and in what share of draws the promise was kept.
    """

    way: str
    share: float
    seed: int
    bought: int
    accuracy: float
    best: float
    accepted: float = 0.0
    precision: float = 1.0
    seconds: float = 0.0
    redrawn_accepted: float = 0.0
    redrawn_kept: float = 1.0


class NpzStore:
    """Vectors by key in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, keys: Sequence[str]) -> dict[str, NDArray[np.floating]]:
        if not self.path.exists():
            return {}
        with np.load(self.path) as kept:
            known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
        return {key: known[key] for key in keys if key in known}

    def save(self, vectors: Mapping[str, NDArray[np.floating]]) -> None:
        known = {**self._all(), **vectors}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self.path, keys=np.array(list(known)), vectors=np.stack(list(known.values())))

    def _all(self) -> dict[str, NDArray[np.floating]]:
        if not self.path.exists():
            return {}
        with np.load(self.path) as kept:
            return dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))


def read_pairs(paths: list[Path], text: str, label: str) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    labels: list[str] = []
    for path in paths:
        if path.suffix == ".parquet":
            rows = pq.read_table(path, columns=[text, label]).to_pylist()
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        texts += [str(row[text] or "") for row in rows]
        labels += [str(row[label]) for row in rows]
    return texts, labels


def load(options: argparse.Namespace) -> Data:
    texts, labels = read_pairs(options.data, options.text, options.label)
    embedder: list[Embedder] = []

    def embed(missing: Sequence[str]) -> NDArray[np.floating]:
        embedder[:] = embedder or [Embedder(options.model)]
        return embedder[0](missing)

    vectors = embed_cached(texts, embed, NpzStore(options.out / "vectors.npz"), options.model)
    return Data(np.asarray(vectors, np.float32), np.array(labels))


def best_share(right: NDArray[np.bool_], confidence: NDArray[np.floating], target: float) -> float:
    """The largest share whose precision reaches the target, found with the truth: what no honest threshold can beat."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= target)
    return float((enough[-1] + 1) / len(order)) if len(enough) else 0.0


def run_spread(data: Data, plan: Plan, share: float, target: float, redraws: int) -> Result:
    began = time.perf_counter()
    done = spread(data.vectors, lambda rows: [str(tag) for tag in data.truth[rows]], plan)
    tags = np.array(done.propagator.tags)
    right = tags[done.prediction.chosen.argmax(axis=1)] == data.truth
    rest = ~np.isin(np.arange(len(right)), done.bought.rows)
    taken, confidence = done.accepted, done.prediction.confidence[rest]
    again = redraw(confidence, right[rest], int(done.bought.is_audit.sum()), plan, redraws)
    return Result(
        OURS, share, plan.seed, len(done.bought.rows), float(right[rest].mean()),
        best_share(right[rest], confidence, target), float(taken.sum() / rest.sum()),
        float(right[taken].mean()) if taken.any() else 1.0, time.perf_counter() - began, *again,
    )  # fmt: skip


def redraw(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], audit: int, plan: Plan, times: int
) -> tuple[float, float]:
    """Mean accepted share, and share of draws with at least the promised precision, over other audits of one model."""
    rng = np.random.default_rng([plan.seed, 5])
    shares, kept = [0.0], [True]
    for _ in range(times):
        rows = rng.choice(len(right), audit, replace=False)
        threshold = find_threshold(confidence[rows], right[rows], plan.promise)
        taken = confidence >= (np.inf if threshold.value is None else np.float32(threshold.value))
        shares.append(float(taken.mean()))
        kept.append(not taken.any() or bool(right[taken].mean() >= plan.promise.precision))
    return float(np.mean(shares[1:] or shares)), float(np.mean(kept[1:] or kept))


def run_simple(data: Data, way: str, settings: Settings, share: float, seed: int, target: float) -> Result:
    """One method on random rows, without audit: only `accuracy` and the peeking `best` say anything."""
    began = time.perf_counter()
    rows = draw(len(data.truth), share, seed)
    targets = read_targets([str(tag) for tag in data.truth[rows]])
    rest = np.setdiff1d(np.arange(len(data.truth)), rows)
    seen = fit(data.vectors[rows], targets, settings).predict(data.vectors[rest])
    right = np.array(targets.tags)[seen.chosen.argmax(axis=1)] == data.truth[rest]
    best = best_share(right, seen.confidence, target)
    return Result(way, share, seed, len(rows), float(right.mean()), best, seconds=time.perf_counter() - began)


def run_copying(data: Data, options: argparse.Namespace, share: float, seed: int) -> Result:
    """Each HDBSCAN cluster takes the commonest label bought in it; its share is the confidence. Outliers get none."""
    began = time.perf_counter()
    clusters = find_clusters(data, options.out / "hdbscan.npy")
    rows = draw(len(data.truth), share, seed)
    label = np.full(len(data.truth), "", dtype=object)
    confidence = np.zeros(len(data.truth))
    for name in np.unique(clusters[clusters >= 0]):
        names, counts = np.unique(data.truth[rows[clusters[rows] == name]], return_counts=True)
        if len(names):
            label[clusters == name] = names[counts.argmax()]
            confidence[clusters == name] = counts.max() / counts.sum()
    rest = np.setdiff1d(np.arange(len(data.truth)), rows)
    right = label[rest] == data.truth[rest]
    best = best_share(right, confidence[rest], options.target)
    return Result(COPIED, share, seed, len(rows), float(right.mean()), best, seconds=time.perf_counter() - began)


def find_clusters(data: Data, kept: Path) -> NDArray[np.int32]:
    """HDBSCAN's clusters, computed once."""
    if not kept.exists():
        np.save(kept, cluster(data.vectors, ClusterSettings("hdbscan", min_size=5)).labels)
    found: NDArray[np.int32] = np.load(kept)
    return found


def draw(rows: int, share: float, seed: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(rows, round(share * rows), replace=False))


#: One run: its name, share, seed, and what computes it.
Job = tuple[str, float, int, Callable[[], Result]]


def list_jobs(data: Data, options: argparse.Namespace) -> Iterator[Job]:
    """Every run that the options ask for."""
    everyone = len(data.truth)
    formula = Settings(method="trust", decay=1.0, neighbours=everyone)
    for seed in options.seed_list or range(options.seeds):
        for share in options.shares:
            plan = Plan(
                budget=share, audit_share=options.audit_share, method=options.select, rounds=options.rounds,
                settings=Settings(method=options.method), promise=Promise(options.target, 0.05), seed=seed,
            )  # fmt: skip
            ours = partial(run_spread, data, plan, share, options.target, options.redraw)
            yield OURS, share, seed, ours
            if options.only_ours:
                continue
            simple = {FORMULA: formula, PROBE: Settings(method="probe")}
            for way, settings in simple.items():
                yield way, share, seed, partial(run_simple, data, way, settings, share, seed, options.target)
            yield COPIED, share, seed, partial(run_copying, data, options, share, seed)


def run_all(data: Data, options: argparse.Namespace) -> list[Result]:
    """All results, those of earlier calls included."""
    path: Path = options.out / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    known = {(found.way, found.share, found.seed) for found in results}
    until = time.monotonic() + options.seconds
    with path.open("a", encoding="utf-8") as file:
        for way, share, seed, run in list_jobs(data, options):
            if (way, share, seed) in known:
                continue
            if time.monotonic() > until:
                raise SystemExit(f"{len(results)} runs are done; call this again to go on")
            results.append(run())
            file.write(line_of(results[-1]) + "\n")
            file.flush()
            print(line_of(results[-1]), flush=True)
    return results


def line_of(result: Result) -> str:
    values = asdict(result)
    return json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()})


def tabulate(results: list[Result]) -> str:
    """Means over seeds, as Markdown."""
    lines = [
        "| labels | way | accuracy of the rest | accepted | precision, mean (least) | best share with the truth "
        "| other audits: accepted | promise kept |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for share, way in sorted(
        {(result.share, result.way) for result in results}, key=lambda key: (key[0], key[1] != OURS, key[1])
    ):
        found = [result for result in results if (result.share, result.way) == (share, way)]
        accepted = precision = redrawn = kept_share = "–"
        if way == OURS:
            accepted = f"{np.mean([result.accepted for result in found]):.1%}"
            kept = [result.precision for result in found]
            precision = f"{np.mean(kept):.1%} ({min(kept):.1%})"
            redrawn = f"{np.mean([result.redrawn_accepted for result in found]):.1%}"
            kept_share = f"{np.mean([result.redrawn_kept for result in found]):.1%}"
        accuracy, best = (np.mean([getattr(result, name) for result in found]) for name in ("accuracy", "best"))
        cells = (f"{share:.0%}", way, f"{accuracy:.1%}", accepted, precision, f"{best:.1%}", redrawn, kept_share)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def parser_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("out/spreading"))
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="category")
    parser.add_argument("--model", default="offline")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.02, 0.05, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed-list", type=int, nargs="+", help="these seeds instead")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after so long")
    parser.add_argument("--select", default=Plan().method)
    parser.add_argument("--method", default=Settings().method)
    parser.add_argument("--rounds", type=int, help="default: three from 500 representatives on, else one")
    parser.add_argument("--audit-share", type=float)
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--redraw", type=int, default=200, help="other audits tried on each fitted model")
    parser.add_argument("--only-ours", action="store_true", help="leave the simpler ways out")
    return parser


def main() -> None:
    options = parser_of(__doc__).parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = load(options)
    print(f"{len(data.truth)} rows, {len(np.unique(data.truth))} labels, width {data.vectors.shape[1]}", flush=True)
    results = run_all(data, options)
    print(tabulate(results))
    ours = [result for result in results if result.way == OURS]
    kept = sum(result.precision >= options.target for result in ours)
    print(f"\nprecision of the accepted at least {options.target:.0%} in {kept} of {len(ours)} runs")


if __name__ == "__main__":
    main()
