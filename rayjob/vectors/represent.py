"""Which rows to have labelled: representatives that cover the table, and an honest random audit. Reads no label."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Bools, Floats, Ints, SpreadError, unit

Selection = Literal["kmeans", "medoids", "typiclust", "farthest", "random"]
#: Rows compared with one another at a time. A larger table is cut into cells first, so that cost stays linear in rows.
CELL_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Budget:
    """How many labels may be bought, and how many of them are audit."""

    representatives: int
    audit: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows to have labelled (m,) in the order chosen, representatives first, and which of them are audit (m,)."""

    rows: Ints
    is_audit: Bools

    def take(self, places: Ints) -> Chosen:
        """Those at these places."""
        return Chosen(self.rows[places], self.is_audit[places])


#: Audit rows beyond these sharpen the threshold less than as many representatives sharpen the labels.
ENOUGH_AUDIT = 500


def split_budget(budget: float, rows: int, audit_share: float | None) -> Budget:
    """A budget of at least 1 is a count of labels, one below is a share of the table; it never exceeds the table.

    `audit_share` None: half of it; beyond 1,000 labels 500, or three tenths where that is more.

    Raises SpreadError for a budget that buys nothing.
    """
    labels = round(budget * rows) if 0 < budget < 1 else int(budget)
    if labels < 1:
        raise SpreadError(f"a budget of {budget} buys no label of {rows} rows; give a count, or a larger share")
    labels = min(labels, rows)
    if audit_share is None:
        audit = min(labels // 2, max(ENOUGH_AUDIT, round(0.3 * labels)))
    else:
        audit = min(round(labels * audit_share), labels)
    return Budget(labels - audit, audit)


def represent(
    vectors: Floats, budget: Budget, method: Selection = "kmeans", seed: int = 0, clusters: Ints | None = None
) -> Chosen:
    """Representatives by `method`, then the audit, uniformly at random from all other rows.

    Drawn last, an audit row is a random one of exactly those rows that will get their label from others.
    With `clusters` (n,) each is given representatives by its size; -1 (outliers) counts as one more cluster.
    """
    picked = pick(vectors, np.arange(len(vectors)), budget.representatives, method, seed, clusters)
    audit = draw_audit(len(vectors), picked, budget.audit, seed)
    return Chosen(np.concatenate([picked, audit]), np.arange(len(picked) + len(audit)) >= len(picked))


def join_chosen(rounds: Sequence[Chosen]) -> Chosen:
    """All rows bought so far, in the order bought."""
    return Chosen(
        np.concatenate([chosen.rows for chosen in rounds]), np.concatenate([chosen.is_audit for chosen in rounds])
    )


def draw_audit(rows: int, taken: Ints, count: int, seed: int) -> Ints:
    """`count` rows, uniformly at random without replacement from those not taken."""
    rest = np.setdiff1d(np.arange(rows), taken)
    drawn = np.random.default_rng([seed, 1]).choice(rest, min(count, len(rest)), replace=False)
    return np.sort(drawn).astype(np.int64)


def pick(
    vectors: Floats, pool: Ints, count: int, method: Selection = "kmeans", seed: int = 0, clusters: Ints | None = None
) -> Ints:
    """`count` distinct rows of `pool` (all of it if it is smaller), ascending."""
    if count >= len(pool):
        return np.sort(pool).astype(np.int64)
    cells = _cells(vectors, pool, clusters)
    shares = _share_out(count, np.array([len(cell) for cell in cells]))
    found = [
        cell[_pick_in_cell(unit(vectors[cell]), share, method, seed + place)]
        for place, (cell, share) in enumerate(zip(cells, shares, strict=True))
        if share
    ]
    return np.sort(np.concatenate([np.empty(0, np.int64), *found])).astype(np.int64)


def _cells(vectors: Floats, pool: Ints, clusters: Ints | None) -> list[Ints]:
    groups = [pool] if clusters is None else [pool[clusters[pool] == name] for name in np.unique(clusters[pool])]
    return [cell for group in groups for cell in _bisect(vectors, group)]


def _bisect(vectors: Floats, rows: Ints) -> list[Ints]:
    """Halve along the direction of greatest spread until each part fits a cell, even where all rows are equal."""
    if len(rows) <= CELL_ROWS:
        return [rows]
    sample = unit(vectors[rows[:: max(1, len(rows) // 4096)]])
    direction = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][0]
    # A sign is arbitrary in a decomposition; fix it, so that the cells come in the same order on every machine.
    direction *= np.sign(direction[np.abs(direction).argmax()]) or 1.0
    along = np.concatenate([unit(vectors[part]) @ direction for part in np.array_split(rows, len(rows) // 8192 + 1)])
    order = np.argsort(along, kind="stable")
    half = len(rows) // 2
    parts = (np.sort(rows[order[:half]]), np.sort(rows[order[half:]]))
    return [cell for part in parts for cell in _bisect(vectors, part)]


def _share_out(count: int, sizes: Ints) -> list[int]:
    """Whole numbers that sum to `count`, in proportion to sizes; largest remainders first."""
    exact = count * sizes / sizes.sum()
    shares = np.floor(exact).astype(int)
    for cell in np.argsort(-(exact - shares), kind="stable")[: count - int(shares.sum())]:
        shares[cell] += 1
    return [int(share) for share in shares]


def _pick_in_cell(rows: NDArray[np.float32], count: int, method: Selection, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    if count >= len(rows):
        return np.arange(len(rows))
    if method == "random":
        return rng.choice(len(rows), count, replace=False)
    found = _farthest(rows, count, rng) if method == "farthest" else _by_cluster(rows, count, method, seed)
    missing = count - len(found)
    if missing:  # fewer distinct rows than labels: the rest are copies, any of them does
        rest = np.setdiff1d(np.arange(len(rows)), found)
        found = np.concatenate([found, rng.choice(rest, missing, replace=False)])
    return found


def _by_cluster(rows: NDArray[np.float32], count: int, method: Selection, seed: int) -> Ints:
    """One row of each of `count` k-means clusters: nearest the centre, most central, or most typical."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        labels = KMeans(count, n_init=1, max_iter=30, random_state=seed % 2**32).fit_predict(rows)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    best = _CENTRAL[method]
    return np.array([group[best(rows[group])] for group in groups], np.int64)


def _nearest_centre(rows: NDArray[np.float32]) -> int:
    return int(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).argmin())


def _medoid(rows: NDArray[np.float32]) -> int:
    """The row with the least total distance to the others (to 2,000 of them in a large cluster)."""
    others = rows[:: max(1, len(rows) // 2000)]
    distances = np.sqrt(np.maximum(2 - 2 * rows @ others.T, 0))
    return int(distances.sum(axis=1).argmin())


def _most_typical(rows: NDArray[np.float32]) -> int:
    """TypiClust (Hacohen et al. 2022): the row with the least mean distance to its 20 nearest within the cluster."""
    if len(rows) > 4000:
        return _medoid(rows)
    nearest = min(20, len(rows) - 1)
    if nearest < 1:
        return 0
    squared = np.maximum(2 - 2 * rows @ rows.T, 0)
    np.fill_diagonal(squared, np.inf)
    closest = np.partition(squared, nearest - 1, axis=1)[:, :nearest]
    return int(np.sqrt(closest).mean(axis=1).argmin())


_CENTRAL: dict[str, Callable[[NDArray[np.float32]], int]] = {
    "kmeans": _nearest_centre,
    "medoids": _medoid,
    "typiclust": _most_typical,
}


def _farthest(rows: NDArray[np.float32], count: int, rng: np.random.Generator) -> Ints:
    """k-center (Gonzalez 1985): from a random row on, always the row farthest from all chosen; stops among copies."""
    found = [int(rng.integers(len(rows)))]
    nearest = ((rows - rows[found[0]]) ** 2).sum(axis=1)
    while len(found) < count and nearest.max() > 1e-9:
        found.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((rows - rows[found[-1]]) ** 2).sum(axis=1))
    return np.array(found, np.int64)
