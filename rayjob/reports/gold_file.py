"""Gold files: JSON lines, a header that says who, when, from what and how, then a row per line. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from rayjob.reports.gold import Gold, GoldRow
from rayjob.reports.labelled import LabelledError, Said, as_said


def write_lines(gold: Gold) -> str:
    """The gold file: a header line, then a line per row."""
    header = {
        "gold": 1, "created": gold.created, "by": gold.by, "from": list(gold.runs), "taxonomy": gold.taxonomy,
        "method": gold.method, "multi": sorted(gold.multi), "population": dict(gold.population),
        "parents": list(gold.parents), "rows": len(gold.rows),
    }  # fmt: skip
    lines: list[dict[str, object]] = [header]
    for row in gold.rows:
        labels = {name: _value(tags, name in gold.multi) for name, tags in row.labels.items()}
        line: dict[str, object] = {"id": row.id, "uid": row.uid, "labels": labels, "how": dict(row.how)}
        drawn = {"stratum": row.stratum, "probability": row.probability} if row.stratum else {}
        lines.append(line | drawn)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _value(tags: Said, multi: bool) -> str | list[str]:
    return list(tags) if multi else (tags[0] if tags else "")


def read_gold(path: str, records: Iterable[Mapping[str, object]]) -> Gold:
    """A gold file's records, header first. Raises LabelledError for another kind of file."""
    found = list(records)
    header = found[0] if found else {}
    if "gold" not in header:
        raise LabelledError(f"{path}: not a gold file: its first line has no 'gold'; `rayjob gold build` writes one")
    return Gold(
        rows=tuple(_read_row(path, number, record) for number, record in enumerate(found[1:], start=2)),
        multi=frozenset(as_said(header.get("multi"))),
        created=str(header.get("created", "")),
        by=str(header.get("by", "")),
        runs=tuple(map(str, _items(header.get("from")))),
        taxonomy=str(header.get("taxonomy", "")),
        method=str(header.get("method", "")),
        population={str(name): int(str(size)) for name, size in _pairs(header.get("population"))},
        parents=tuple(map(str, _items(header.get("parents")))),
    )


def _read_row(path: str, number: int, record: Mapping[str, object]) -> GoldRow:
    labels = record.get("labels")
    if not isinstance(labels, Mapping) or record.get("id") in (None, ""):
        raise LabelledError(f"{path}:{number}: not a row of a gold file; accepted: an object with id and labels")
    return GoldRow(
        id=str(record["id"]),
        uid=str(record.get("uid") or ""),
        labels={str(name): as_said(value) for name, value in labels.items() if value is not None},
        how={str(name): str(how) for name, how in _pairs(record.get("how"))},
        stratum=str(record.get("stratum") or ""),
        probability=float(str(record.get("probability", 1.0))),
    )


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _pairs(value: object) -> list[tuple[object, object]]:
    return list(value.items()) if isinstance(value, Mapping) else []
