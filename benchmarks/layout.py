"""What each layout of prompts costs: real prompts against a simulated prefix cache, beside what `plan` expects.

    python -m benchmarks.layout --input examples --json layout.json

The cache is exact and never forgets: blocks of 512 characters (about 128 tokens, as OpenAI caches), each known by all
that stands before it. Answers are `offline/lexical`'s; rows go through their steps side by side. Prices are given per
million fresh prompt tokens at $1 (output $4), for several prices of a cached token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.machine import facts, line
from rayjob.cli.specs import open_spec
from rayjob.engine.sampling import sample_input
from rayjob.labels.asking import Question, Reply
from rayjob.labels.tokens import count_tokens
from rayjob.llm.offline import OfflineModel
from rayjob.plan.resolve import Resolved
from rayjob.steps.build import build_pipeline
from rayjob.steps.estimate import estimate_steps
from rayjob.steps.layouts import LAYOUTS, cost_layout

T = TypeVar("T")
BLOCK_CHARS = 512
OUTPUT_PRICE = 4.0
CACHED_PRICES = (1.0, 0.5, 0.25, 0.1, 0.0)
STEPS = ("character", "capability", "arbitrate")


@dataclass
class CachingProvider:
    """An Asker that counts what a prefix cache would have had of each prompt."""

    model: OfflineModel
    blocks: set[bytes] = field(default_factory=set)
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    async def ask(self, question: Question, parse: Callable[[str], T]) -> tuple[T, Reply]:
        """The offline model's answer."""
        text = "".join(f"<{message['role']}>{message['content']}" for message in question.messages)
        cached = count_tokens(text[: self._known_chars(text)])
        await asyncio.sleep(0)
        reply = self.model.answer(list(question.messages), question.schema or {})
        self.calls += 1
        self.prompt_tokens += count_tokens(text)
        self.cached_tokens += cached
        self.output_tokens += count_tokens(reply)
        return parse(reply), Reply(reply, question.step, question.model)

    def _known_chars(self, text: str) -> int:
        """How far the cache knows the text; from now on it knows all of its whole blocks."""
        known, digest = 0, blake2b(digest_size=12)
        for end in range(BLOCK_CHARS, len(text) + 1, BLOCK_CHARS):
            digest.update(text[end - BLOCK_CHARS : end].encode("utf-8", "replace"))
            name = digest.digest()
            if name in self.blocks:
                known = end
            self.blocks.add(name)
        return known

    def usd(self, cached_price: float) -> float:
        """Dollars at $1 a million fresh prompt tokens."""
        fresh = self.prompt_tokens - self.cached_tokens
        return (fresh + cached_price * self.cached_tokens + OUTPUT_PRICE * self.output_tokens) / 1e6


def replay(resolved: Resolved, rows: Sequence[dict[str, Any]]) -> CachingProvider:
    """All rows through all steps, side by side."""
    provider = CachingProvider(OfflineModel(resolved.taxonomy))
    pipeline = build_pipeline(resolved, STEPS)

    async def run() -> None:
        await asyncio.gather(*(pipeline.run(dict(row), provider, lambda step: None) for row in rows))

    asyncio.run(run())
    return provider


def measure(layout: str, path: str, slice_mode: str) -> dict[str, Any]:
    """One layout over one input: what the simulated cache had, what `plan` expects, dollars a thousand samples."""
    changes = [f"layout={layout}", f"input={path}", f"steps.0.prepare.slice={slice_mode}"]
    resolved = open_spec("specs/quickstart.yaml", changes).resolved
    sample = sample_input(resolved.job)
    rows = [row for row in sample.rows if not row.get("failure")]
    provider = replay(resolved, rows)
    planned = cost_layout(layout, estimate_steps(resolved, STEPS, rows, len(rows)), resolved.job.models)
    return {
        "layout": layout,
        "input": path,
        "samples": len(rows),
        "conversation_tokens": round(sum(count_tokens(row["transcript"]) for row in rows) / len(rows)),
        "calls": provider.calls,
        "prompt_tokens": provider.prompt_tokens,
        "cached_tokens": provider.cached_tokens,
        "planned_cached_share": (planned.cached_over_rows + planned.cached_over_calls) / planned.prompt_tokens,
        "usd_per_1000": {str(price): 1000 * provider.usd(price) / len(rows) for price in CACHED_PRICES},
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """Markdown: a line for each layout and input."""
    prices = [f"$/1,000 at {price:g}" for price in CACHED_PRICES]
    heads = ["layout", "samples", "tokens a conversation", "calls", "prompt tokens", "cached", "plan says", *prices]
    rows = [heads, ["---"] * len(heads)]
    for found in results:
        share = found["cached_tokens"] / found["prompt_tokens"]
        usd = [f"{value:.2f}" for value in found["usd_per_1000"].values()]
        rows.append(
            [
                found["layout"],
                f"{found['samples']}",
                f"{found['conversation_tokens']:,}",
                f"{found['calls']}",
                f"{found['prompt_tokens']:,}",
                f"{share:.1%}",
                f"{found['planned_cached_share']:.1%}",
                *usd,
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Measures each input under each layout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", nargs="+", default=["examples"])
    parser.add_argument("--slice", default="none")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    results = [measure(layout, str(Path(path).resolve()), args.slice) for path in args.input for layout in LAYOUTS]
    print(table(results))
    print(line(facts()))
    if args.json:
        args.json.write_text(json.dumps({"results": results, "machine": facts()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
