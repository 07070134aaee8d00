"""Pairs of single-select tags and confidence histograms: what report.html draws, counted with the rest."""

from __future__ import annotations

from rayjob.labels.stats import RunStats
from rayjob.labels.stats_pairs import PairCounts

ROWS = [
    {"labels": {"intent": "build", "difficulty": "expert", "language": ["go"]}, "confidence": {"intent": 0.15}},
    {"labels": {"intent": "build", "difficulty": "expert", "language": []}, "confidence": {"intent": 1.0}},
    {"labels": {"intent": "learn", "difficulty": "", "language": ["c"]}, "confidence": {"intent": 0.0}},
]


def test_only_tags_that_are_there_in_both_dimensions_meet() -> None:
    stats = RunStats()
    for row in ROWS:
        stats.add(row)
    assert stats.to_dict()["pair_counts"] == {"difficulty×intent": {"expert": {"build": 2}}}


def test_a_confidence_falls_into_the_bin_that_begins_with_it() -> None:
    one, two = RunStats(), RunStats()
    one.add(ROWS[0])
    two.add(ROWS[1])
    two.add(ROWS[2])
    one.merge(two)
    found = one.to_dict()["confidence_hist"]["intent"]
    assert {place: count for place, count in enumerate(found) if count} == {0: 1, 3: 1, 19: 1}
    assert len(found) == 20


def test_the_order_of_dimensions_in_a_row_does_not_matter() -> None:
    one, two = PairCounts(), PairCounts()
    one.add({"a": "x", "b": "y"})
    two.add({"b": "y", "a": "x"})
    one.merge(two)
    assert one.to_dict() == {"a×b": {"x": {"y": 2}}}


def test_many_dimensions_make_few_tables() -> None:
    counts = PairCounts()
    counts.add({f"d{n:02}": "x" for n in range(40)})
    assert len(counts.to_dict()) == 15
