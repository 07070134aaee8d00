"""What went wrong in a run, most frequent first, each with what to do about it. Reads no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rayjob.reports.recorded import steps_of
from rayjob.spec.choice import ABSTAINED

Stats = Mapping[str, Any]

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


def find_problems(
    stats: Stats, run: Mapping[str, Any] | None = None, examples: Mapping[str, str] | None = None
) -> tuple[RunProblem, ...]:
    """All problems the statistics show, most frequent first.

    run: run.json, for advice that fits its steps. examples: the message of one failure of each kind.
    """
    known = run or {}
    found = (
        *failures(stats, examples or {}), *unmapped(stats, known), *unsure(stats, known), *abstained(stats, known),
        *broken_rules(stats),
    )  # fmt: skip
    return tuple(sorted(found, key=lambda problem: (-problem.count, problem.what)))


def failures(stats: Stats, examples: Mapping[str, str]) -> Iterator[RunProblem]:
    """Failures by kind."""
    for kind, count in (stats.get("failures") or {}).items():
        example = " ".join(examples.get(kind, "").split())[:EXAMPLE_CHARS]
        yield RunProblem(count, f"{samples(count)} failed: {kind}", ADVICE.get(kind, "see failures/"), example)


def unmapped(stats: Stats, run: Mapping[str, Any]) -> Iterator[RunProblem]:
    """Tags used outside the pools, and apart from them the new ones that were offered as asked."""
    or_map = "" if steps_of(run, "map") else ", or a map step to the spec"
    for found, where in zip(split_unmapped(stats), ("outside the pools", "suggested"), strict=True):
        if found:
            first = min(found, key=lambda tag: (-found[tag], tag))
            count = sum(found.values())
            what = f"{count:,} {'tag' if count == 1 else 'tags'} {where}, most often {first} ({found[first]:,})"
            yield RunProblem(count, what, f"add an alias or a tag to the taxonomy{or_map}")


def split_unmapped(stats: Stats) -> tuple[dict[str, int], dict[str, int]]:
    """`dimension:value` was used outside that pool, anything else was suggested (it may have a colon of its own)."""
    dimensions = stats.get("tag_distributions") or {}
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for key, count in (stats.get("unmapped_tags") or {}).items():
        found[key.partition(":")[0] not in dimensions or ":" not in key][key] = count
    return found


def unsure(stats: Stats, run: Mapping[str, Any]) -> Iterator[RunProblem]:
    """Answers below their threshold. A choice has none of its own accord: it abstains where the spec says."""
    asked = "arbitration has asked again" if steps_of(run, "arbitrate") else "an arbitrate step would ask again"
    chosen = {step.get("dimension") for step in steps_of(run, "choose")}
    for dimension, found in (stats.get("confidence_stats") or {}).items():
        count = int(found.get("below_threshold") or 0)
        if count and dimension not in chosen:
            what = f"{samples(count)} with a confidence below the threshold in {dimension}"
            yield RunProblem(count, what, f"{asked}; what stays low has an unclear prompt or pool")


def abstained(stats: Stats, run: Mapping[str, Any]) -> Iterator[RunProblem]:
    """Choices that were not made."""
    for step in steps_of(run, "choose"):
        dimension = str(step.get("dimension"))
        count = int(((stats.get("tag_distributions") or {}).get(dimension) or {}).get(ABSTAINED) or 0)
        if count:
            set_by = "precision" if step.get("precision") else "confidence"
            advice = f"these are for people to choose; a lower {set_by} in the choose step decides more, and errs more"
            yield RunProblem(count, f"{samples(count)} too close to choose in {dimension}", advice)


def broken_rules(stats: Stats) -> Iterator[RunProblem]:
    """Rows whose labels contradict each other."""
    count = int(stats.get("consistency_warning_count") or 0)
    if count:
        verb = "breaks" if count == 1 else "break"
        yield RunProblem(count, f"{samples(count)} {verb} a consistency rule", "the column `warnings` says which rule")


def samples(count: int) -> str:
    """1 sample, 2 samples, 1,000 samples."""
    return f"{count:,} sample" + ("" if count == 1 else "s")
