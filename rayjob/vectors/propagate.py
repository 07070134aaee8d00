"""Spreads the labels of a few rows to all: fitted once on the labelled, then applied block by block. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Floats, Ints, SpreadError, blocks
from rayjob.vectors.graph import Graph, InOtherSpace, Whitening, build_graph, fit_whitening, spread_labels
from rayjob.vectors.neighbours import Near, exact_rows_for
from rayjob.vectors.probe import fit_probe
from rayjob.vectors.represent import Chosen
from rayjob.vectors.targets import Targets
from rayjob.vectors.trust import Trust, fit_trust

Method = Literal["mean", "trust", "graph", "probe"]
METHODS: tuple[Method, ...] = ("mean", "trust", "graph", "probe")
#: What `match` demands of a propagated set of tags: the very same set, or no tag that is wrong. No tag at all says that
#: none applies, which is right or wrong as a whole: an empty set is always judged as `exact`.
Match = Literal["exact", "contained"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How labels spread. `anchors`: rows of the graph; a larger table is reached through its nearest anchors."""

    method: Method = "mean"
    neighbours: int = 20
    decay: float | None = None
    graph_neighbours: int = 10
    anchors: int = 20_000
    strength: float = 30.0
    sources: int = 5
    match: Match = "exact"


@dataclass(frozen=True, slots=True)
class Prediction:
    """For n rows: scores (n, tags), the tags chosen (n, tags), confidence (n,), and the nearest labelled rows.

    `sources.rows` count within the labelled rows the propagator was fitted on.
    """

    scores: NDArray[np.float32]
    chosen: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    sources: Near

    def __len__(self) -> int:
        return len(self.confidence)


class Scorer(Protocol):
    """One way to spread: (n, d) vectors in, (n, tags) scores in 0..1 out."""

    def scores(self, block: Floats) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Propagator:
    """Fitted and picklable: Ray sends it once and maps blocks with it."""

    trust: Trust
    others: tuple[Scorer, ...]
    settings: Settings
    tags: tuple[str, ...]
    multi: bool
    may_be_empty: bool

    def predict(self, block: Floats) -> Prediction:
        """Labels for these rows; memory goes with the block, never with the table."""
        parts = [self._predict_block(block[part]) for part in blocks(len(block))]
        return join(parts) if parts else self._predict_block(block)

    def _predict_block(self, block: Floats) -> Prediction:
        near = self.trust.index.search(block, max(self.trust.k, self.settings.sources))
        kept = Near(near.rows[:, : self.trust.k], near.distances[:, : self.trust.k])
        votes = [scorer.scores(block) for scorer in self.others]
        if self.settings.method in ("mean", "trust"):
            votes.append(self.trust.weigh(kept))
        scores: NDArray[np.float32] = np.stack(votes).mean(axis=0)
        chosen, exact = choose(scores, self.multi, self.may_be_empty, self.settings.match)
        confidence = exact.round(6)  # where all rows are equally sure, the last bit of a sum must not accept or refuse
        count = self.settings.sources
        return Prediction(scores, chosen, confidence, Near(near.rows[:, :count], near.distances[:, :count]))

    def labels(self, prediction: Prediction) -> list[str] | list[list[str]]:
        """The chosen tags by name: a string a row, or a list where the dimension takes several."""
        names = [[self.tags[column] for column in np.flatnonzero(row)] for row in prediction.chosen]
        return names if self.multi else [row[0] for row in names]


def choose(
    scores: NDArray[np.float32], multi: bool, may_be_empty: bool, match: Match = "exact"
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Single: the best tag and its score. Multi: every tag of at least 1/2, and the probability that the set is right.

    That probability takes tags as independent; it only ranks rows, the audit says what a rank is worth.
    """
    if not scores.shape[1]:  # no labelled row bears a tag: no other row gets one
        return np.zeros(scores.shape, bool), np.ones(len(scores), np.float32)
    best = np.zeros(scores.shape, bool)
    best[np.arange(len(scores)), scores.argmax(axis=1)] = True
    if not multi:
        return best, scores.max(axis=1)
    chosen = scores >= 0.5
    if not may_be_empty:
        chosen |= best & ~chosen.any(axis=1, keepdims=True)
    may_lack = chosen.any(axis=1, keepdims=True) & (match == "contained")
    right = np.where(chosen, scores, np.where(may_lack, 1.0, 1 - scores))
    return chosen, np.prod(right, axis=1).astype(np.float32)


def is_right(chosen: NDArray[np.bool_], truth: NDArray[np.float32], match: Match = "exact") -> NDArray[np.bool_]:
    """Per row whether the chosen tags are the true ones (`exact`), or at least none of them is wrong (`contained`)."""
    may_lack = chosen.any(axis=1, keepdims=True) & (match == "contained")
    right: NDArray[np.bool_] = ~((chosen & (truth == 0)) | (~chosen & (truth > 0) & ~may_lack)).any(axis=1)
    return right


def join(parts: list[Prediction]) -> Prediction:
    """The predictions of consecutive blocks as one."""
    near = Near(
        np.concatenate([part.sources.rows for part in parts]),
        np.concatenate([part.sources.distances for part in parts]),
    )
    return Prediction(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.chosen for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        near,
    )


def needs_anchors(settings: Settings) -> bool:
    """Whether the method spreads over a graph of the table."""
    return settings.method in ("mean", "graph")


@dataclass(frozen=True, slots=True)
class Anchored:
    """A graph over the anchors, and the anchor at which each labelled row acts.

    `whitened`: the graph of the same anchors in the other space, for the method `mean`.
    """

    graph: Graph
    places: Ints
    whitened: tuple[Whitening, Graph] | None = None


def anchor(vectors: Floats, bought: Chosen, settings: Settings, seed: int) -> Anchored:
    """A random sample of the table and the representatives as anchors; any other labelled row acts at its nearest.

    Audit rows are no anchors of their own accord: held out, each must look like any other row of the table.
    """
    drawn = np.random.default_rng(seed).choice(len(vectors), min(settings.anchors, len(vectors)), replace=False)
    rows = np.union1d(drawn, bought.rows[~bought.is_audit])
    exact = exact_rows_for(len(vectors))
    graph = build_graph(vectors[rows], settings.graph_neighbours, seed, exact)
    places = np.searchsorted(rows, bought.rows)
    outside = ~np.isin(bought.rows, rows)
    places[outside] = graph.index.search(vectors[bought.rows[outside]], 1).rows[:, 0]
    if settings.method != "mean":
        return Anchored(graph, places)
    whitening = fit_whitening(vectors[rows])
    other = build_graph(whitening(vectors[rows]), settings.graph_neighbours, seed, exact)
    return Anchored(graph, places, (whitening, other))


def fit(
    labelled: Floats, targets: Targets, settings: Settings, anchored: Anchored | None = None, among: Ints | None = None
) -> Propagator:
    """Fit on the labelled rows (their vectors and labels); `anchored` is needed by the methods `graph` and `mean`.

    `among`: which of the rows that `anchored` knows are labelled here (None: all of them).
    """
    if len(targets) == 0:
        raise SpreadError("no row is labelled, so there is nothing to spread; buy at least one label")
    others: list[Scorer] = []
    if needs_anchors(settings):
        others.extend(_fit_graphs(targets, anchored, among))
    if settings.method in ("mean", "probe"):
        others.append(fit_probe(labelled, targets, settings.strength))
    decay = settings.decay if settings.method in ("mean", "trust") else 1.0
    trust = fit_trust(labelled, targets, settings.neighbours, decay)
    may_be_empty = bool((targets.values.sum(axis=1) == 0).any())
    return Propagator(trust, tuple(others), settings, targets.tags, targets.multi, may_be_empty)


def _fit_graphs(targets: Targets, anchored: Anchored | None, among: Ints | None) -> Iterator[Scorer]:
    if anchored is None:
        raise SpreadError("label spreading needs the anchors of the table, from anchor()")
    places = anchored.places if among is None else anchored.places[among]
    yield spread_labels(anchored.graph, places, targets)
    if anchored.whitened is not None:
        whitening, graph = anchored.whitened
        yield InOtherSpace(spread_labels(graph, places, targets), whitening)
