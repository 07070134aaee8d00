"""Compares a run of specs/trial-v4.yaml with a recorded trial: the stats that must be equal, every record's labels.

python tools/check_trial.py RUN_FOLDER STATS.json LABELED.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

KEYS = (
    "total_samples", "success", "failed", "total_llm_calls", "avg_calls_per_sample", "arbitrated_count",
    "arbitrated_rate", "validation_issue_count", "consistency_warning_count", "unmapped_tags",
    "unmapped_unique_count", "confidence_stats", "tag_distributions",
)  # fmt: skip


def differences(run: Path, stats_file: Path, labeled_file: Path) -> list[str]:
    """Every difference, a line each; empty where the run is the recorded trial."""
    ours, theirs = json.loads((run / "stats.json").read_text()), json.loads(stats_file.read_text())
    said = [f"stats {key}: {ours.get(key)} != {theirs[key]}" for key in KEYS if ours.get(key) != theirs[key]]
    rows = {
        row["id"]: row["labels"]
        for file in (run / "labels").glob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    }
    for record in json.loads(labeled_file.read_text(encoding="utf-8")):
        expected = {name: value for name, value in record["labels"].items() if name not in ("confidence", "unmapped")}
        if rows.get(record["id"]) != expected:
            said.append(f"{record['id']}: {rows.get(record['id'])} != {expected}")
    return said


if __name__ == "__main__":
    found = differences(*(Path(argument) for argument in sys.argv[1:4]))
    print("\n".join(found) or "equal")
    sys.exit(bool(found))
