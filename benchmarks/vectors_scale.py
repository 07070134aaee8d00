"""One million vectors on a small machine: neighbours, clusters, representatives, propagation; time and peak memory.

    python benchmarks/vectors_scale.py --rows 1000000 --out OUT

Vectors are made (100 clouds on a sphere), kept as a memory map under OUT, and read in blocks. Each stage writes its
result there and is skipped when it is found: a killed run goes on where it stopped. The search for neighbours is the
one stage of many minutes: with `--seconds N` it stops after so long and goes on the next time, its index built anew.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import blocks, check_vectors, unit
from rayjob.vectors.cluster import ClusterSettings, cluster
from rayjob.vectors.neighbours import Neighbours
from rayjob.vectors.propagate import Settings, anchor
from rayjob.vectors.represent import Chosen, represent, split_budget
from rayjob.vectors.spread import Fitted, Plan, accept, fit_and_audit
from rayjob.vectors.targets import read_targets

CLOUDS = 100
NOISE = 0.8


def make_vectors(options: argparse.Namespace) -> str:
    """(rows, width) float16 on disk, and each row's cloud."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLOUDS, options.width)) / np.sqrt(options.width)
    names = rng.integers(CLOUDS, size=options.rows).astype(np.int16)
    shape = (options.rows, options.width)
    vectors = np.lib.format.open_memmap(options.out / "vectors.npy", "w+", np.float16, shape)
    for part in blocks(options.rows):
        noise = rng.normal(size=(part.stop - part.start, options.width)) / np.sqrt(options.width)
        vectors[part] = centres[names[part]] + NOISE * noise
    vectors.flush()
    np.save(options.out / "truth.npy", names)
    return f"{options.rows} x {options.width} float16"


def load_vectors(options: argparse.Namespace) -> NDArray[np.float16]:
    return np.load(options.out / "vectors.npy", mmap_mode="r")


def check(options: argparse.Namespace) -> str:
    check_vectors(load_vectors(options))
    return "all finite"


def neighbours(options: argparse.Namespace) -> str | None:
    """10 neighbours of every row, in blocks, written as they come; None where the time is up before the last block."""
    vectors, until = load_vectors(options), time.perf_counter() + options.seconds
    index = Neighbours(vectors)
    found, reached = open_found(options), options.out / "neighbours.reached"
    first = int(reached.read_text()) if reached.exists() else 0
    for part in blocks(options.rows):
        if part.start < first:
            continue
        if time.perf_counter() > until:
            return None
        found[part] = index.search(np.asarray(vectors[part]), 10).rows
        found.flush()
        reached.write_text(str(part.stop))
    sample = np.random.default_rng(1).choice(options.rows, 200, replace=False)
    return f"recall at 10 {recall(vectors, np.sort(sample), found):.3f}"


def open_found(options: argparse.Namespace) -> np.memmap[Any, np.dtype[np.int32]]:
    """(rows, 10) on disk: as far as an earlier session came, or empty."""
    path = options.out / "neighbours.npy"
    return np.lib.format.open_memmap(path, "r+" if path.exists() else "w+", np.int32, (options.rows, 10))


def recall(vectors: NDArray[np.float16], sample: NDArray[np.int64], found: NDArray[np.int32]) -> float:
    """Share of the true 10 nearest rows of a sample that were found."""
    queries = unit(vectors[sample])
    parts = [(part.start, Neighbours(vectors[part]).search(queries, 10)) for part in blocks(len(vectors))]
    rows = np.concatenate([start + near.rows for start, near in parts], axis=1)
    nearest = np.argsort(np.concatenate([near.distances for _, near in parts], axis=1), axis=1)[:, :10]
    truth = np.take_along_axis(rows, nearest, axis=1)
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth, found[sample], strict=True)]))


def clusters(options: argparse.Namespace) -> str:
    found = cluster(load_vectors(options), ClusterSettings())
    np.save(options.out / "clusters.npy", found.labels)
    return f"{found.algorithm}: {len(found.sizes)} clusters, silhouette {found.silhouette:.3f}"


def representatives(options: argparse.Namespace) -> str:
    vectors = load_vectors(options)
    chosen = represent(vectors, split_budget(options.budget, len(vectors), None))
    np.savez(options.out / "chosen.npz", rows=chosen.rows, is_audit=chosen.is_audit)
    return f"{len(chosen.rows)} rows"


def fitting(options: argparse.Namespace) -> str:
    vectors, truth = load_vectors(options), np.load(options.out / "truth.npy")
    with np.load(options.out / "chosen.npz") as kept:
        bought = Chosen(kept["rows"], kept["is_audit"])
    plan = Plan(settings=Settings(anchors=options.anchors))
    anchored = anchor(vectors, bought, plan.settings, 0)
    targets = read_targets([f"tag{name}" for name in truth[bought.rows]])
    fitted = fit_and_audit(vectors[bought.rows], bought, targets, anchored, plan)
    (options.out / "fitted.pickle").write_bytes(pickle.dumps(fitted))
    return f"threshold {fitted.threshold.value}, audited {fitted.threshold.audited}"


def propagation(options: argparse.Namespace) -> str:
    vectors, truth = load_vectors(options), np.load(options.out / "truth.npy")
    fitted: Fitted = pickle.loads((options.out / "fitted.pickle").read_bytes())
    names = np.array([int(tag[3:]) for tag in fitted.propagator.tags])
    right = taken = hits = 0
    for part in blocks(options.rows):
        seen = fitted.propagator.predict(np.asarray(vectors[part]))
        correct = names[seen.chosen.argmax(axis=1)] == truth[part]
        accepted = accept(seen, fitted.threshold)
        right, taken, hits = right + correct.sum(), taken + accepted.sum(), hits + (correct & accepted).sum()
    precision = hits / taken if taken else float("nan")
    return f"accuracy {right / options.rows:.4f}, accepted {taken / options.rows:.4f} at precision {precision:.4f}"


STAGES: tuple[Callable[[argparse.Namespace], str | None], ...] = (
    make_vectors, check, clusters, representatives, fitting, propagation, neighbours,
)  # fmt: skip


def measure(stage: Callable[[argparse.Namespace], str | None], options: argparse.Namespace) -> dict[str, Any]:
    """Run one stage in a process of its own, so that its peak memory is its own."""
    import multiprocessing

    receiver, sender = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("spawn").Process(target=_run, args=(stage, options, sender))
    worker.start()
    sender.close()
    found: dict[str, Any] = receiver.recv()
    worker.join()
    return found


def _run(stage: Callable[[argparse.Namespace], str | None], options: argparse.Namespace, sender: Any) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    note = stage(options)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    sender.send(
        {
            "stage": stage.__name__, "rows": options.rows, "sessions": 1,
            "wall_s": round(time.perf_counter() - began, 1), "cpu_s": round(time.process_time() - cpu, 1),
            "peak_mb": usage.ru_maxrss // 1024, "note": note,
        }
    )  # fmt: skip


def add_session(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """A stage done in several sessions: times add up, the highest peak counts."""
    summed = {name: round(before[name] + now[name], 1) for name in ("sessions", "wall_s", "cpu_s")}
    return {**now, **summed, "peak_mb": max(before["peak_mb"], now["peak_mb"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--budget", type=float, default=5000)
    parser.add_argument("--anchors", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long to search in one session")
    parser.add_argument("--out", type=Path, default=Path("out/scale"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        done = options.out / f"{stage.__name__}.{options.rows}.json"
        before = json.loads(done.read_text()) if done.exists() else None
        if before is None or before["note"] is None:
            now = measure(stage, options)
            done.write_text(json.dumps(add_session(before, now) if before else now))
        print(done.read_text(), flush=True)
        if json.loads(done.read_text())["note"] is None:
            raise SystemExit(f"{stage.__name__} is not finished; run the same command again")


if __name__ == "__main__":
    main()
