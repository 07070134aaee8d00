"""The counts of a run, row by row: RunStats adds up the same however the rows are split. Reads no files."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayjob.labels.stats_pairs import PairCounts

#: Different unmapped tags kept apart, about 20 MB of them. Beyond, those with the smallest hash stay (every split keeps
#: the same ones, with exact counts) and the others are one number: `unmapped_other`.
MAX_UNMAPPED = 100_000
#: Fractions are summed as whole numbers of this size: sums of floats depend on their order.
_PARTS = 10**12

#: Bins of a confidence histogram, equal in width over 0..1.
BINS = 20

CALL_SUMS = ("prompt_tokens", "cached_tokens", "completion_tokens")


@dataclass(slots=True)
class Score:
    """Sum, count, range and histogram of one dimension's confidences."""

    parts: int = 0
    count: int = 0
    below: int = 0
    low: float = 1.0
    high: float = 0.0
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, score: float, threshold: float) -> None:
        """One confidence, and whether it lies below the threshold."""
        place = min(BINS - 1, int(score * BINS + 1e-9))  # 0.15 belongs to the bin that begins with it
        self.merge(Score(round(score * _PARTS), 1, int(score < threshold), score, score, Counter({place: 1})))

    def merge(self, other: Score) -> None:
        """Everything another one has seen."""
        self.parts += other.parts
        self.count += other.count
        self.below += other.below
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.bins.update(other.bins)

    def to_dict(self) -> dict[str, float | int]:
        """mean, min, max (3 decimals) and below_threshold."""
        mean = self.parts / (_PARTS * self.count)
        return {
            "mean": round(mean, 3),
            "min": round(self.low, 3),
            "max": round(self.high, 3),
            "below_threshold": self.below,
        }


@dataclass(slots=True)
class RunStats:
    """What stats.json says of a run. Adding and merging commute: any split of the rows gives the same counts.

    `threshold` is what counts as low confidence, one number or one per dimension. Merge only stats that share it.
    """

    threshold: float | Mapping[str, float] = 0.65
    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    calls: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    pairs: PairCounts = field(default_factory=PairCounts)

    def add(self, row: Mapping[str, Any]) -> None:
        """One finished row, labelled or failed. What a failed row cost counts; what it half answered does not."""
        failure = row.get("failure")
        self.counts["total"] += 1
        self._add_calls(row.get("calls") or ())
        if failure:
            self.failures[failure["kind"]] += 1
            return
        self.counts["arbitrated"] += bool(row.get("arbitrated"))
        self.counts["with_issues"] += bool(row.get("issues"))
        self.counts["with_warnings"] += bool(row.get("warnings"))
        self._add_labels(row.get("labels") or {}, row.get("confidence") or {})
        self._add_unmapped(row.get("unmapped") or ())

    def merge(self, other: RunStats) -> None:
        """Everything another RunStats has seen."""
        self.counts += other.counts
        self.failures += other.failures
        for dimension, tags in other.tags.items():
            self.tags.setdefault(dimension, Counter()).update(tags)
        for dimension, score in other.scores.items():
            self.scores.setdefault(dimension, Score()).merge(score)
        for key, sums in other.calls.items():
            self.calls.setdefault(key, Counter()).update(sums)
        self.pairs.merge(other.pairs)
        self.unmapped.update(other.unmapped)
        self._bound_unmapped()

    def _add_labels(self, labels: Mapping[str, Any], confidence: Mapping[str, float | None]) -> None:
        for dimension, label in labels.items():
            tags = [label] if isinstance(label, str) else label
            self.tags.setdefault(dimension, Counter()).update(tag for tag in tags if tag)
        self.pairs.add(labels)
        for dimension, score in confidence.items():
            if score is not None:
                self.scores.setdefault(dimension, Score()).add(score, self._threshold_of(dimension))

    def _threshold_of(self, dimension: str) -> float:
        return self.threshold.get(dimension, 0.0) if isinstance(self.threshold, Mapping) else self.threshold

    def _add_unmapped(self, entries: Iterable[Mapping[str, str]]) -> None:
        for entry in entries:
            dimension, value = entry.get("dimension"), str(entry["value"])[:200]
            self.unmapped[f"{dimension}:{value}" if dimension else value] += 1
            self.counts["unmapped"] += 1
        self._bound_unmapped()

    def _bound_unmapped(self) -> None:
        """Now and then: sorting is what costs. One of the smallest hashes of all is one of the smallest of any part."""
        if len(self.unmapped) > 1.25 * MAX_UNMAPPED:
            self.unmapped = self._kept_unmapped()

    def _kept_unmapped(self) -> Counter[str]:
        kept = heapq.nsmallest(MAX_UNMAPPED, self.unmapped, key=_rank)
        return Counter({key: self.unmapped[key] for key in kept})

    def _add_calls(self, calls: Iterable[Mapping[str, Any]]) -> None:
        for call in calls:
            sums = self.calls.setdefault((call["step"], call["model"]), Counter())
            sums["calls"] += 1
            sums["from_ledger"] += bool(call.get("from_ledger"))
            sums["cost_parts"] += round((call.get("cost_usd") or 0.0) * _PARTS)
            for name in CALL_SUMS:
                sums[name] += call.get(name) or 0

    def to_dict(self, dimensions_of: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
        """stats.json. `dimensions_of` says which dimensions a step asks for: its cost is spread over them evenly."""
        total, failed = self.counts["total"], self.failures.total()
        calls = _total(self.calls.values())
        unmapped = self._kept_unmapped()
        return {
            "total_samples": total,
            "success": total - failed,
            "failed": failed,
            "success_rate": round((total - failed) / max(total, 1), 4),
            "total_llm_calls": calls["calls"],
            "calls_from_ledger": calls["from_ledger"],
            "avg_calls_per_sample": round(calls["calls"] / max(total, 1), 2),
            "arbitrated_count": self.counts["arbitrated"],
            "arbitrated_rate": round(self.counts["arbitrated"] / max(total, 1), 4),
            **_tokens_and_cost(calls, "total_"),
            "validation_issue_count": self.counts["with_issues"],
            "consistency_warning_count": self.counts["with_warnings"],
            "unmapped_tags": by_frequency(unmapped),
            "unmapped_unique_count": len(unmapped),
            "unmapped_other": self.counts["unmapped"] - unmapped.total(),
            "confidence_stats": {name: self.scores[name].to_dict() for name in sorted(self.scores)},
            "tag_distributions": {name: by_frequency(self.tags[name]) for name in sorted(self.tags)},
            "failures": by_frequency(self.failures),
            "by_step": {name: _report(sums) for name, sums in self._grouped(0)},
            "by_model": {name: _report(sums) for name, sums in self._grouped(1)},
            "by_dimension": _spread(dict(self._grouped(0)), dimensions_of or {}),
            "confidence_hist": {name: [self.scores[name].bins[n] for n in range(BINS)] for name in sorted(self.scores)},
            "pair_counts": self.pairs.to_dict(),
        }

    def _grouped(self, part: int) -> list[tuple[str, Counter[str]]]:
        """The calls' sums per step (part 0) or model (part 1), by name."""
        names = sorted({key[part] for key in self.calls})
        return [(name, _total(sums for key, sums in self.calls.items() if key[part] == name)) for name in names]


def by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first, equals by name."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _total(sums: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in sums:
        total.update(one)
    return total


def _report(sums: Mapping[str, int]) -> dict[str, float | int]:
    return {"calls": sums["calls"], "from_ledger": sums["from_ledger"], **_tokens_and_cost(sums, "")}


def _tokens_and_cost(sums: Mapping[str, int], prefix: str) -> dict[str, float | int]:
    return {
        **{prefix + name: sums[name] for name in CALL_SUMS},
        f"{prefix}tokens": sums["prompt_tokens"] + sums["completion_tokens"],
        f"{prefix}cost_usd": sums["cost_parts"] / _PARTS,
    }


def _spread(steps: Mapping[str, Mapping[str, int]], dimensions_of: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Tokens and dollars per dimension: each step's, divided evenly among the dimensions it asks for."""
    found: dict[str, dict[str, float]] = {}
    for step, dimensions in sorted(dimensions_of.items()):
        sums = _tokens_and_cost(steps[step], "") if step in steps else {}
        for dimension in dimensions:
            share = found.setdefault(dimension, dict.fromkeys(sums, 0.0))
            for name, value in sums.items():
                share[name] = share.get(name, 0.0) + value / len(dimensions)
    rounded = {name: {key: round(value, 9) for key, value in share.items()} for name, share in sorted(found.items())}
    return {name: share for name, share in rounded.items() if share}


def _rank(key: str) -> bytes:
    """An order that has nothing to do with how often or when a key was seen, the same in every process."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
