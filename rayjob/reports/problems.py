"""What went wrong in a run, most frequent first, each with what to do about it. Reads stats.json's dict only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: What a person can do about each kind of failure (the kinds of `rayjob.labels.asking.FAILURE_KINDS`).
ADVICE = {
    "unreadable": "the input is broken there: failures/ says in which file and line",
    "empty": "these records hold no turn to label; leave them out of the input if that is expected",
    "timeout": "`rayjob retry --only timeout` asks again; raise the model's timeout_s if they are long answers",
    "overload": "`rayjob retry --only overload` asks again; lower the model's limits if it keeps refusing",
    "server": "`rayjob retry --only server` asks again once the provider is well",
    "connection": "`rayjob retry --only connection` asks again; check the api_base and the network",
    "unparsable": "the model does not keep to JSON: `rayjob retry --only unparsable --model <another>`",
    "truncated": "the answer did not fit: raise the model's max_tokens, then `rayjob retry --only truncated`",
    "filtered": "the provider refused the content: `rayjob retry --only filtered --model <another>`",
    "context": "too long for the model: lower prepare's truncate.max_chars, then `rayjob retry --only context`",
    "bad_request": "the provider refuses the request itself: see the message in failures/",
    "auth": "the key was refused or has no credit left: check the variable named in api_key_env",
    "budget": "the budget ended first: raise it and run the same command again",
    "internal": "a bug of ours: please report the message in failures/",
}


EXAMPLE_CHARS = 200


@dataclass(frozen=True, slots=True)
class RunProblem:
    """One kind of trouble: how many samples (or tags) it touched, in words, what to do, and one of its messages."""

    count: int
    what: str
    advice: str
    example: str = ""


def find_problems(stats: Mapping[str, Any], examples: Mapping[str, str] | None = None) -> tuple[RunProblem, ...]:
    """All problems the statistics show, most frequent first; `examples` has the message of one failure of each kind."""
    found = every_problem(stats, examples or {})
    return tuple(sorted(found, key=lambda problem: (-problem.count, problem.what)))


def every_problem(stats: Mapping[str, Any], examples: Mapping[str, str]) -> Iterator[RunProblem]:
    """Failures by kind, tags outside the pool, answers below their threshold, broken rules."""
    for kind, count in (stats.get("failures") or {}).items():
        example = " ".join(examples.get(kind, "").split())[:EXAMPLE_CHARS]
        yield RunProblem(count, f"{samples(count)} failed: {kind}", ADVICE.get(kind, "see failures/"), example)
    unmapped: Mapping[str, int] = stats.get("unmapped_tags") or {}
    if unmapped:
        first = min(unmapped, key=lambda tag: (-unmapped[tag], tag))
        count = sum(unmapped.values())
        what = (
            f"{count:,} {'tag' if count == 1 else 'tags'} outside the pools, most often {first} ({unmapped[first]:,})"
        )
        yield RunProblem(count, what, "add an alias or a tag to the taxonomy, or a map step to the spec")
    for dimension, found in (stats.get("confidence_stats") or {}).items():
        count = int(found.get("below_threshold") or 0)
        if count:
            what = f"{samples(count)} with a confidence below the threshold in {dimension}"
            yield RunProblem(count, what, "arbitration asks again; what stays low has an unclear prompt or pool")
    count = int(stats.get("consistency_warning_count") or 0)
    if count:
        verb = "breaks" if count == 1 else "break"
        yield RunProblem(count, f"{samples(count)} {verb} a consistency rule", "the column `warnings` says which rule")


def samples(count: int) -> str:
    """1 sample, 2 samples, 1,000 samples."""
    return f"{count:,} sample" + ("" if count == 1 else "s")
