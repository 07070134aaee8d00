"""A small review for the tests: four rows, one single-select and one multi-select dimension, two reviewers."""

from __future__ import annotations

from rayjob.review.pools import Pool
from rayjob.review.sheet import Review, ReviewRow, make_keys, with_digests

POOLS = {
    "intent": Pool(select="single", tags=("build", "learn"), aliases={"create": "build"}),
    "concept": Pool(select="multi", tags=("caching", "testing", "c++"), aliases={}),
}


def make_review(texts: dict[str, str], ids: tuple[str, ...] = (), blind: bool = False) -> Review:
    uids = list(texts)
    rows = [
        ReviewRow(
            key=key, uid=uid, id=ids[i] if ids else uid, stratum="random", probability=0.5,
            proposal={"intent": ("build",), "concept": ("testing",)}, reviewers=("ann", "bob"),
        )
        for i, (key, uid) in enumerate(zip(make_keys(uids), uids, strict=True))
    ]  # fmt: skip
    shown = tuple(with_digests(row, texts[row.uid], blind) for row in rows)
    return Review(
        created="2026-01-01", runs=("run",), strategy="random", seed=0, blind=blind, population={"random": 8},
        pools=POOLS, rows=shown,
    )  # fmt: skip
