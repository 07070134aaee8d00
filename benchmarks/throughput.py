"""Share of the ideal, CPU a call and wall time of a labelling run, beside plain asyncio + aiohttp in the same run.

    python -m benchmarks.throughput --samples 3000 --in-flight 200 --latency 4 --sigma 0.4

Each sample is two dependent calls of about 28 KB and 22 KB. The provider is a process of its own. The ideal is the sum
of all answer times divided by the calls that may be in flight; the span is from its first request to its last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.machine import Bench
from benchmarks.processes import Usage, run_measured

ROOT = Path(__file__).resolve().parent.parent
ANSWER = {
    "intent": "build", "language": ["python"], "domain": [], "task": ["feature-implementation"],
    "difficulty": "intermediate", "concept": [], "agentic": [], "constraint": [], "context": "snippet", "unmapped": [],
}  # fmt: skip
WORDS = ("parse", "the", "request", "and", "return", "a", "typed", "result", "with", "a", "test", "first")


@contextlib.contextmanager
def provider(latency_s: float, sigma: float) -> Iterator[str]:
    """A provider process; yields its URL."""
    answer = json.dumps({**ANSWER, "confidence": dict.fromkeys([*ANSWER][:-1], 0.9)})
    command = [sys.executable, "-m", "tests.llm_server", "--latency", str(latency_s), "--sigma", str(sigma)]
    with subprocess.Popen([*command, "--answer", answer], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def read_stats(url: str) -> dict[str, Any]:
    """The provider's counts, which start over."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats?reset=1") as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def write_samples(path: Path, count: int) -> None:
    """`count` conversations of about 6 KB, no two alike."""
    draw = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            asked = f"Task {number}: " + " ".join(draw.choices(WORDS, k=120))
            answered = "```python\n" + "\n".join(f"x_{i} = {draw.random()}" for i in range(180)) + "\n```"
            turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
            file.write(json.dumps({"id": str(number), "messages": turns}) + "\n")


async def ask_plainly(url: str, samples: int, in_flight: int) -> None:
    """The baseline: aiohttp, a semaphore, two dependent posts a sample, prompts of the same size."""
    slots = asyncio.Semaphore(in_flight)
    fixed = ["You label conversations. " * 912, "You label conversations. " * 625]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int) -> None:
            async with slots:
                for call in range(2):
                    varying = f"{number} " + "some conversation " * 370
                    messages = [{"role": "system", "content": fixed[call]}, {"role": "user", "content": varying}]
                    body = orjson.dumps({"model": "m", "messages": messages, "temperature": 0.1})
                    headers = {"Content-Type": "application/json"}
                    async with session.post(f"{url}/chat/completions", data=body, headers=headers) as reply:
                        orjson.loads(orjson.loads(await reply.read())["choices"][0]["message"]["content"])

        await asyncio.gather(*(one(number) for number in range(samples)))


def run_rayjob(url: str, samples: int, in_flight: int, folder: Path) -> Usage:
    """One `rayjob run` over `samples` conversations."""
    source = folder / f"{samples}.jsonl"
    write_samples(source, samples)
    output = folder / f"out-{samples}-{time.time_ns()}"
    command = [
        sys.executable, "-m", "rayjob", "run", str(ROOT / "specs/trial-v4.yaml"), "--output", str(output),
        "--set", f"input.path={source}", "--set", f"models.worker.api_base={url}",
        "--set", f"models.worker.limits.concurrency={in_flight}",
    ]  # fmt: skip
    usage = run_measured(command, folder / "run.log")
    if usage.code != 0:
        sys.exit(f"rayjob run ended with {usage.code}:\n{usage.output[-2000:]}")
    return usage


def share(stats: dict[str, Any], in_flight: int) -> float:
    """Of the ideal, over the provider's span."""
    return float(stats["busy_s"] / in_flight / stats["span_s"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--latency", type=float, default=4.0, help="median seconds of an answer")
    parser.add_argument("--sigma", type=float, default=0.4)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--marginal", action="store_true", help="also run twice the samples: CPU of the difference")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    bench = Bench(f"throughput: {args.samples} × 2 calls, {args.in_flight} in flight, {args.latency:g} s", unit="")
    with tempfile.TemporaryDirectory() as name, provider(args.latency, args.sigma) as url:
        for _ in range(args.repeat):
            measure(bench, url, args, Path(name))
    bench.report(args.json)


def measure(bench: Bench, url: str, args: argparse.Namespace, folder: Path) -> None:
    """One round: the baseline, then ours."""
    read_stats(url)
    asyncio.run(ask_plainly(url, args.samples, args.in_flight))
    plain = share(read_stats(url), args.in_flight)
    usage = run_rayjob(url, args.samples, args.in_flight, folder)
    stats = read_stats(url)
    ours = share(stats, args.in_flight)
    ideal_s = stats["busy_s"] / args.in_flight
    bench.add("share of ideal, asyncio + aiohttp", plain)
    bench.add("share of ideal, rayjob", ours)
    bench.add("rayjob / asyncio", ours / plain)
    bench.add("share over the whole wall time", ideal_s / usage.wall_s)
    bench.add("wall s", usage.wall_s)
    bench.add("peak in flight", stats["peak_in_flight"])
    bench.add("CPU ms a call, start included", 1000 * usage.cpu_s / stats["requests"])
    if args.marginal:
        double = run_rayjob(url, 2 * args.samples, args.in_flight, folder)
        more = read_stats(url)["requests"] - stats["requests"]
        bench.add("marginal CPU ms a call", 1000 * (double.cpu_s - usage.cpu_s) / more)
    peaks = sorted(usage.peak_by_name.items(), key=lambda item: -item[1])[:4]
    bench.notes["largest processes"] = ", ".join(f"{name} {size >> 20} MB" for name, size in peaks)


if __name__ == "__main__":
    main()
