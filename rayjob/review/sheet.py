"""A review: which rows were given to whom, with what probability, and what the sheets looked like when they left."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from pydantic import Field

from rayjob.review.cells import defuse, normal_text, show_text
from rayjob.review.pools import NONE, Pool
from rayjob.spec.base import SpecModel

PROPOSED = "proposed: "
KEY, ID, TEXT, COMMENT, REVIEWER = "key", "id", "text", "comment", "reviewer"
#: Where a reviewer types a tag that the pool lacks, and what stands before the columns of a task that was skipped or
#: left as a draft: they come back beside the answers, never as one.
OTHER, SKIPPED, DRAFT = "other tags", "skipped: ", "draft: "
#: What stands before the address of a cell that a note hangs on.
NOTE = "note on "
#: A workbook's second sheet, with a column of tags per dimension.
POOLS_SHEET = "pools"


class ReviewRow(SpecModel):
    """One row: its key in the sheets, its address in the run, how it was drawn, what the run says, who reviews it."""

    key: str
    uid: str
    id: str
    stratum: str
    probability: float = Field(gt=0, le=1)
    proposal: dict[str, tuple[str, ...]]
    reviewers: tuple[str, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict, description="Column: digest of what the sheet showed there.")


class Review(SpecModel):
    """review.json: everything `import` needs to read the sheets back."""

    review: int = 1
    created: str
    by: str = ""
    runs: tuple[str, ...]
    taxonomy: str = ""
    strategy: str
    seed: int
    blind: bool
    population: dict[str, int]
    pools: dict[str, Pool]
    rows: tuple[ReviewRow, ...]


def make_keys(uids: Sequence[str]) -> list[str]:
    """A short key per row, of letters only: no spreadsheet takes it for a number, a date or a formula."""
    length = 8
    while True:
        keys = [_letters(uid, length) for uid in uids]
        if len(set(keys)) == len(set(uids)):
            return keys
        length += 4


def _letters(uid: str, length: int) -> str:
    digest = hashlib.sha256(uid.encode("utf-8", errors="surrogatepass")).digest()
    # No vowels: no words, no TRUE or FALSE, no month, in any language.
    return "".join("bcdfghjkmnpqrtvwxz"[byte % 18] for byte in digest[:length])


def sheet_columns(review: Review) -> list[str]:
    """The header of a sheet, in order."""
    answers = []
    for name in review.pools:
        answers += [name] if review.blind else [PROPOSED + name, name]
    return [KEY, ID, TEXT, *answers, COMMENT, REVIEWER]


def sheet_rows(review: Review, texts: Mapping[str, str], reviewer: str = "") -> list[dict[str, str]]:
    """The cells of one reviewer's sheet (everyone's where no reviewer is named), in an order of their own."""
    mine = [row for row in review.rows if not reviewer or reviewer in row.reviewers]
    random.Random(f"{review.seed}:{reviewer}").shuffle(mine)
    return [_cells(review, row, texts.get(row.uid, ""), reviewer) for row in mine]


def _cells(review: Review, row: ReviewRow, text: str, reviewer: str) -> dict[str, str]:
    cells = {KEY: row.key, REVIEWER: reviewer, COMMENT: "", **shown_cells(row, text, review.blind)}
    return {column: cells.get(column, "") for column in sheet_columns(review)}


def shown_cells(row: ReviewRow, text: str, blind: bool) -> dict[str, str]:
    """The columns a reviewer reads but does not answer in."""
    cells = {ID: defuse(show_text(row.id)), TEXT: defuse(show_text(text))}
    if not blind:
        cells |= {PROPOSED + name: defuse(", ".join(tags) or NONE) for name, tags in row.proposal.items()}
    return cells


def with_digests(row: ReviewRow, text: str, blind: bool) -> ReviewRow:
    """The row with a digest of every cell it shows, so that an edit of one is noticed when the sheet comes back."""
    digests = {column: digest_cell(cell) for column, cell in shown_cells(row, text, blind).items()}
    return row.model_copy(update={"digests": digests})


def digest_cell(cell: str) -> str:
    """What identifies a shown cell, blanks around it and line ends aside."""
    return hashlib.sha256(normal_text(cell).encode("utf-8", errors="replace")).hexdigest()[:16]
