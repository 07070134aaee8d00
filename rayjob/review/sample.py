"""Which rows humans should see: targeted rows and an honest random part, each row with its inclusion probability.

The targeted rows are taken for certain (probability 1, a stratum of their own); the random part is drawn from the
rest, so that the strata together estimate the whole run without bias.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Strategy = Literal["random", "lowest_confidence", "most_disagreement", "per_stratum"]
STRATEGIES: tuple[Strategy, ...] = ("random", "lowest_confidence", "most_disagreement", "per_stratum")
TARGETED, RANDOM = "targeted", "random"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that can be reviewed. `confidence` is the lowest over dimensions (1 where none is given), `disagreement`
    the mean over dimensions of 1 - Jaccard between runs, `stratum` the tag it is stratified by."""

    index: int
    confidence: float = 1.0
    disagreement: float = 0.0
    stratum: str = ""


@dataclass(frozen=True, slots=True)
class Picked:
    """A row to review: the stratum it was drawn from and the probability with which it was drawn."""

    index: int
    stratum: str
    probability: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The picked rows and how many rows each stratum has in the run."""

    rows: tuple[Picked, ...]
    population: Mapping[str, int]


def pick_rows(
    candidates: Sequence[Candidate], rows: int, strategy: Strategy, random_share: float = 0.5, seed: int = 0
) -> Sample:
    """Pick `rows` rows; of the targeting strategies `random_share` is drawn at random from the rows not targeted.

    per_stratum draws as equally from every stratum as their sizes allow.
    """
    rng = random.Random(seed)
    rows = min(rows, len(candidates))
    targeted = _target(candidates, strategy, rows - round(rows * random_share), rng)
    taken = {candidate.index for candidate in targeted}
    rest = [candidate for candidate in candidates if candidate.index not in taken]
    strata: dict[str, list[Candidate]] = {}
    for candidate in rest:
        strata.setdefault(candidate.stratum if strategy == "per_stratum" else "", []).append(candidate)
    sizes = share_out({name: len(members) for name, members in strata.items()}, rows - len(targeted))
    picked = [Picked(candidate.index, TARGETED, 1.0) for candidate in targeted]
    population = {TARGETED: len(targeted)} if targeted else {}
    for name, members in sorted(strata.items()):
        label = f"{RANDOM}: {name}" if strategy == "per_stratum" else RANDOM
        population[label] = len(members)
        drawn = rng.sample(members, sizes[name])
        picked += [Picked(candidate.index, label, sizes[name] / len(members)) for candidate in drawn]
    return Sample(tuple(picked), population)


def _target(candidates: Sequence[Candidate], strategy: Strategy, count: int, rng: random.Random) -> list[Candidate]:
    if strategy not in ("lowest_confidence", "most_disagreement"):
        return []
    shuffled = rng.sample(list(candidates), len(candidates))  # ties fall by chance, not by place in the file
    if strategy == "lowest_confidence":
        return sorted(shuffled, key=lambda candidate: candidate.confidence)[:count]
    return sorted(shuffled, key=lambda candidate: -candidate.disagreement)[:count]


def share_out(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Give each stratum an equal part of `total`, small ones all they have, and the rest to those that have more."""
    given = dict.fromkeys(sizes, 0)
    left = min(total, sum(sizes.values()))
    while left:
        open_strata = sorted(name for name in sizes if given[name] < sizes[name])
        each = max(1, left // len(open_strata))
        for name in open_strata:
            part = min(each, sizes[name] - given[name], left)
            given[name] += part
            left -= part
    return given


def assign_rows(count: int, reviewers: Sequence[str], overlap: float, seed: int = 0) -> list[tuple[str, ...]]:
    """Who reviews each of `count` rows: everyone in turn, and a second reviewer for the share `overlap` of the rows."""
    if not reviewers:
        return [() for _ in range(count)]
    rng = random.Random(seed + 1)
    doubled = set(rng.sample(range(count), round(count * overlap))) if len(reviewers) > 1 else set()
    turn = rng.sample(range(count), count)
    return [
        tuple(reviewers[(turn[row] + step) % len(reviewers)] for step in range(2 if row in doubled else 1))
        for row in range(count)
    ]
