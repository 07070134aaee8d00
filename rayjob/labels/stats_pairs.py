"""How often tags of two single-select dimensions meet in a sample. Adds up the same however the rows are split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

#: Of more single-select dimensions than this only the first are paired: 6 make 15 tables.
MOST_DIMENSIONS = 6


@dataclass(slots=True)
class PairCounts:
    """Counts by the two dimensions (in the order of their names) and by the two tags."""

    counts: dict[tuple[str, str], Counter[tuple[str, str]]] = field(default_factory=dict)

    def add(self, labels: Mapping[str, Any]) -> None:
        """The labels of one sample; a list is a multi-select dimension and is left out."""
        single = sorted((name, label) for name, label in labels.items() if isinstance(label, str) and label)
        for (left, one), (right, other) in combinations(single[:MOST_DIMENSIONS], 2):
            self.counts.setdefault((left, right), Counter())[one, other] += 1

    def merge(self, other: PairCounts) -> None:
        """Everything another one has seen."""
        for pair, counts in other.counts.items():
            self.counts.setdefault(pair, Counter()).update(counts)

    def to_dict(self) -> dict[str, dict[str, dict[str, int]]]:
        """{"difficulty×intent": {tag: {tag: count}}}, sorted by name."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (left, right), counts in sorted(self.counts.items()):
            table = found.setdefault(f"{left}×{right}", {})
            for (one, other), count in sorted(counts.items()):
                table.setdefault(one, {})[other] = count
        return found
