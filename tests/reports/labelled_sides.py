"""Sides for the tests of comparisons: written as files, read as a user's would be."""

from __future__ import annotations

import json
from pathlib import Path

from rayjob.reports.labelled import Labelled
from rayjob.reports.labelled_files import read_labelled

SINGLE, MULTI = ("intent", "difficulty"), ("concept", "task")


def record(number: int, intent: str = "build", concept: tuple[str, ...] = (), **more: object) -> dict[str, object]:
    labels = {"intent": intent, "difficulty": "expert", "concept": list(concept), "task": ["t"]}
    confidence = {"intent": 0.9, "concept": 0.5}
    return {"id": f"r{number:03}", "labels": labels | {"confidence": confidence, "unmapped": []}, **more}


def side(folder: Path, name: str, records: list[dict[str, object]]) -> Labelled:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(records))
    return read_labelled(str(path))
