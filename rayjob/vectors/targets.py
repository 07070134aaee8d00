"""The labels of one dimension as a matrix: a column a tag, one tag a row or several. Knows no pool and no prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayjob.vectors.check import Ints, SpreadError

#: A label of one row: a tag of a single-select dimension, the tags of a multi-select one.
Label = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Targets:
    """Indicators (n, tags): 1 where row i bears the tag. `multi`: a row bears any number of tags, not just one."""

    tags: tuple[str, ...]
    values: NDArray[np.float32]
    multi: bool

    def take(self, rows: Ints) -> Targets:
        return Targets(self.tags, self.values[rows], self.multi)

    def __len__(self) -> int:
        return len(self.values)


def read_targets(labels: Sequence[Label], tags: Iterable[str] = (), multi: bool | None = None) -> Targets:
    """Targets of these labels, columns sorted by tag; `multi` None means: as the labels are (a list is several).

    Raises SpreadError where a single-select label is a list or a multi-select one a bare string.
    """
    several = multi if multi is not None else any(not isinstance(label, str) for label in labels)
    wrong = [row for row, label in enumerate(labels) if isinstance(label, str) == several]
    if wrong:
        expected = "a list of tags" if several else "one tag"
        raise SpreadError(f"each label must be {expected}, found {labels[wrong[0]]!r}", tuple(wrong))
    listed = [_as_list(label) for label in labels]
    columns = tuple(sorted(set(tags) | {tag for row in listed for tag in row}))
    place = {tag: column for column, tag in enumerate(columns)}
    values = np.zeros((len(listed), len(columns)), np.float32)
    for row, row_tags in enumerate(listed):
        values[row, [place[tag] for tag in row_tags]] = 1
    return Targets(columns, values, several)


def _as_list(label: Label) -> list[str]:
    return [label] if isinstance(label, str) else list(label)
