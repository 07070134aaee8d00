"""CPU that a call costs the client: bare aiohttp, our client over plain HTTP or LiteLLM, LiteLLM as it comes.

    python -m benchmarks.client_cpu --calls 1000 --in-flight 200 --latency 1

The provider is a process of its own. CPU is the client process's, user and system, without imports and warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import orjson

from benchmarks.ledger import Disk
from rayjob.labels.asking import Question
from rayjob.llm.client import Client
from rayjob.llm.gate import Gate, direct_exchange
from rayjob.llm.ledger import Ledger
from rayjob.llm.limits import Governor, limits_of
from rayjob.spec.models import ModelSpec

STATIC = "You label conversations. " * 500  # 12.5 KB that all prompts share
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {f"d{i}": {"enum": [f"tag-{i}-{j}" for j in range(30)]} for i in range(5)},
}


@contextlib.contextmanager
def provider(latency_s: float) -> Iterator[str]:
    """A provider process; yields its URL."""
    command = [sys.executable, "-m", "tests.llm_server", "--latency", str(latency_s), "--sigma", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def prompt(i: int) -> list[dict[str, str]]:
    """20 KB, no two alike."""
    return [{"role": "system", "content": STATIC}, {"role": "user", "content": f"{i} " + "some conversation " * 420}]


async def measure(ask: Callable[[int], Awaitable[object]], calls: int, in_flight: int) -> dict[str, float]:
    """CPU milliseconds a call, and calls a second, after a warm-up of one call a slot."""
    slots = asyncio.Semaphore(in_flight)

    async def one(i: int) -> None:
        async with slots:
            await ask(i)

    await asyncio.gather(*(one(i) for i in range(in_flight)))
    cpu, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    await asyncio.gather(*(one(in_flight + i) for i in range(calls)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {"cpu_ms": round(1000 * cpu_s / calls, 2), "calls_per_s": round(calls / (time.monotonic() - wall), 1)}


async def through_client(
    url: str, calls: int, in_flight: int, ledger: Ledger | None = None, **fields: object
) -> dict[str, float]:
    """Our client with limits, retries and costs, and a ledger where one is given."""
    spec = ModelSpec.model_validate(
        {"model": "openai/scripted", "api_base": url, "limits": {"concurrency": in_flight}, "temperature": 0.1} | fields
    )
    models = {"worker": spec}
    client = Client(models, Gate("bench", direct_exchange(Governor(limits_of(models)))), ledger)
    try:
        return await measure(
            lambda i: client.ask(Question("label", "worker", prompt(i), SCHEMA), orjson.loads), calls, in_flight
        )
    finally:
        await client.close()


async def through_litellm(url: str, calls: int, in_flight: int, model: str) -> dict[str, float]:
    """`litellm.acompletion` as anyone would call it."""
    from rayjob.llm.via_litellm import import_litellm

    litellm = import_litellm()
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    return await measure(
        lambda i: litellm.acompletion(
            model=model, api_base=url, api_key="none", messages=prompt(i), temperature=0.1, response_format=shape
        ),
        calls,
        in_flight,
    )


async def through_aiohttp(url: str, calls: int, in_flight: int) -> dict[str, float]:
    """The floor: build, post, read."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def ask(i: int) -> None:
            body = orjson.dumps({"model": "scripted", "messages": prompt(i), "temperature": 0.1})
            headers = {"Content-Type": "application/json"}
            async with session.post(url + "/chat/completions", data=body, headers=headers) as response:
                orjson.loads(await response.read())

        return await measure(ask, calls, in_flight)


async def run(url: str, calls: int, in_flight: int, only: str) -> dict[str, dict[str, float]]:
    """Every way, one after the other."""
    ways: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
        "aiohttp by hand": lambda: through_aiohttp(url, calls, in_flight),
        "client, transport direct": lambda: through_client(url, calls, in_flight, transport="direct"),
        "client, direct, with ledger": lambda: through_client(
            url, calls, in_flight, Ledger.open(Disk(), tempfile.mkdtemp()), transport="direct"
        ),
        "client, litellm hosted_vllm/": lambda: through_client(
            url, calls, in_flight, transport="litellm", model="hosted_vllm/scripted"
        ),
        "client, litellm openai/": lambda: through_client(url, calls, in_flight, transport="litellm"),
        "litellm hosted_vllm/ as it comes": lambda: through_litellm(url, calls, in_flight, "hosted_vllm/plain"),
        "litellm openai/ as it comes": lambda: through_litellm(url, calls, in_flight, "openai/plain"),
    }
    return {name: await way() for name, way in ways.items() if only in name}


def main() -> None:
    """Prints a table; --json writes the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    args = parser.parse_args()
    with provider(args.latency) as url:
        table = asyncio.run(run(url, args.calls, args.in_flight, args.only))
    floor = table.get("client, transport direct", next(iter(table.values())))["cpu_ms"]
    print(f"{'way':36}{'CPU ms/call':>12}{'calls/s':>10}{'x direct':>10}")
    for name, row in table.items():
        print(f"{name:36}{row['cpu_ms']:12.2f}{row['calls_per_s']:10.1f}{row['cpu_ms'] / floor:10.1f}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(table, file, indent=1)


if __name__ == "__main__":
    main()
