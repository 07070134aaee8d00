"""The cluster step: a cluster for each row of the table, and what a person sees of each cluster."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.spec.spread import ClusterStep
from rayjob.vectors.check import Floats, unit
from rayjob.vectors.cluster import OUTLIER, Clustering, ClusterSettings, cluster

_WORD = re.compile(r"[^\W\d_]{3,}")


class Cluster:
    """Clusters the vectors of a whole table (n, d). Raises SpreadError."""

    def __init__(self, spec: ClusterStep) -> None:
        self.settings = ClusterSettings(spec.algorithm, spec.clusters, spec.min_size, spec.components, spec.seed)

    def __call__(self, vectors: Floats) -> Clustering:
        return cluster(vectors, self.settings)


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """One cluster for a person: its most central row, words it uses more than others, each dimension's mix of labels.

    `size`: how many rows of it were looked at; a label's share is among those of them that have one.
    """

    cluster: int
    size: int
    medoid: int
    words: tuple[str, ...]
    labels: Mapping[str, tuple[tuple[str, float], ...]]


def summarise_clusters(
    clusters: NDArray[np.int32],
    vectors: Floats,
    texts: Sequence[str],
    labels: Mapping[str, Sequence[str | None]],
    sample: int = 200,
) -> list[ClusterSummary]:
    """Largest first, outliers last; medoid and words from up to `sample` rows of each cluster, labels from all."""
    order = np.argsort(clusters, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
    groups.sort(key=lambda group: (clusters[group[0]] == OUTLIER, clusters[group[0]]))
    taken = [group[:: max(1, math.ceil(len(group) / sample))] for group in groups]
    words = [_count_words(texts, rows) for rows in taken]
    spread = Counter(word for counts in words for word in counts)
    return [
        ClusterSummary(
            int(clusters[group[0]]),
            len(group),
            _medoid(vectors, rows),
            _top_words(counts, spread, len(groups)),
            {name: _mix(found, group) for name, found in labels.items()},
        )
        for group, rows, counts in zip(groups, taken, words, strict=True)
    ]


def _medoid(vectors: Floats, rows: NDArray[np.int64]) -> int:
    near = unit(vectors[rows])
    return int(rows[(near @ near.mean(axis=0)).argmax()])


def _count_words(texts: Sequence[str], rows: NDArray[np.int64]) -> Counter[str]:
    """In how many of these rows each word stands."""
    return Counter(word for row in rows for word in set(_WORD.findall(texts[row][:2000].lower())))


def _top_words(counts: Counter[str], spread: Counter[str], groups: int, top: int = 6) -> tuple[str, ...]:
    """Words by tf-idf, where a document is a cluster."""
    weighed = {word: count * math.log((1 + groups) / spread[word]) for word, count in counts.items()}
    return tuple(sorted(weighed, key=lambda word: (-weighed[word], word))[:top])


def _mix(labels: Sequence[str | None], rows: NDArray[np.int64], top: int = 5) -> tuple[tuple[str, float], ...]:
    found = Counter(label for row in rows if (label := labels[row]) is not None)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple((label, count / found.total()) for label, count in ranked[:top])
