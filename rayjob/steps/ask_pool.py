"""What a sheet's cell or a truth field may say of one dimension, and the label it means. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rayjob.labels.tags import LabelValue, squash
from rayjob.labels.taxonomy import Dimension

#: What says, of a dimension that takes several tags, that none fits.
NOTHING = frozenset({"none", "-", "[]"})
_SEPARATOR = re.compile(r"[;,|\n]")


class NotInPoolError(ValueError):
    """A value that is no tag of the dimension; its text is the value."""


class Pool:
    """What may stand in a dimension's cells. `skip`: the word for a row that nobody can judge, where there is one."""

    def __init__(self, dim: Dimension, skip: str = "") -> None:
        self.dim, self.skip, self.is_multi = dim, skip, dim.select == "multi"
        self.known = _spellings(dim)
        # A tag may be called `none`; then another sign says that no tag fits.
        self.nothing = "-" if "none" in self.known else "none"
        ids = sorted(dim.pool)
        listed = ", ".join(ids[:12]) + (f", … ({len(ids)} in all)" if len(ids) > 12 else "")
        several = f", several separated by ';', or {self.nothing!r}" if self.is_multi else ""
        self.accepted = f"a tag of {dim.name}{several}: {listed}" + (f"; or {skip!r}: cannot be judged" if skip else "")

    def write(self, label: LabelValue | None) -> str:
        """A label as people write it; empty where there is none yet."""
        return label or "" if label is None or isinstance(label, str) else "; ".join(label) or self.nothing

    def read_cell(self, cell: str) -> list[LabelValue | None]:
        """What a cell says: nothing (an open cell), or one label, None for a skipped one. Raises NotInPoolError."""
        parts = _SEPARATOR.split(cell) if self.is_multi else [cell]
        values = [part.strip() for part in parts if part.strip()]
        if not values:
            return []
        return [None if values == [self.skip] and squash(self.skip) not in self.known else self.read(values)]

    def read_truth(self, value: object) -> LabelValue | None:
        """What a field says; None where it says nothing. Raises NotInPoolError."""
        if isinstance(value, list):
            return self.read(value) if value or self.is_multi else None
        return None if value is None or not str(value).strip() else self.read([value])

    def read(self, values: Sequence[object]) -> LabelValue:
        """The label that these spellings mean. Raises NotInPoolError with the first that means none."""
        spelled = [squash(str(value)) for value in values]
        if self.is_multi and len(values) == 1 and spelled[0] not in self.known and str(values[0]).lower() in NOTHING:
            return []
        for value, spelling in zip(values, spelled, strict=True):
            if spelling not in self.known:
                raise NotInPoolError(value)
        tags = sorted({self.known[spelling] for spelling in spelled})
        if self.is_multi:
            return tags
        if len(tags) > 1:
            raise NotInPoolError(values)
        return tags[0]


def _spellings(dim: Dimension) -> dict[str, str]:
    """Every spelling of every tag; where two tags share one, ids win over names, names over aliases."""
    known: dict[str, str] = {}
    for spelled in (lambda tag: (tag.id,), lambda tag: (tag.name,), lambda tag: tag.aliases):
        for tag in dim.tags:
            for spelling in filter(None, map(squash, spelled(tag))):
                known.setdefault(spelling, tag.id)
    return known
