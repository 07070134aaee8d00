"""What `plan` takes an input for: samples, and those of them that a model is asked about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rayjob.engine.sampling import EXACT_BYTES, sample_input
from rayjob.spec.model import JobSpec, Step
from rayjob.spec.prepare import PrepareStep


def job(path: Path, prepare: dict[str, Any] | None = None, **settings: object) -> JobSpec:
    spec = {"rayjob": 1, "name": "t", "input": {"path": str(path), **settings}, "output": "out"}
    found = JobSpec.model_validate(spec)
    if prepare is None:
        return found

    return found.model_copy(update={"steps": (Step(kind="prepare", name="p", settings=PrepareStep(**prepare)),)})


def write(path: Path, records: int, replies: int = 1, filler: str = "") -> Path:
    turns = [turn for _ in range(replies) for turn in ({"role": "user"}, {"role": "assistant"})]
    messages = [{**turn, "content": f"what about {n}? {filler}"} for n, turn in enumerate(turns)]
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for _ in range(records)), encoding="utf-8")
    return path


@pytest.mark.parametrize("filler", ["", "x" * 20_000])
def test_replies_that_inherit_labels_are_samples_nobody_asks_about(tmp_path: Path, filler: str) -> None:
    path = write(tmp_path / "in.jsonl", 25, 12, filler)
    sparse = {"slice": "every_reply", "sparse": {"full": 2, "every": 5}, "inherit": True}
    found = sample_input(job(path, sparse))
    assert found.exact == (not filler)
    assert found.samples == pytest.approx(25 * 12, rel=0.2)
    assert found.asked == pytest.approx(found.samples * len(found.rows) / (25 * 12), rel=0.01)
    assert found.asked < found.samples / 2


def test_of_a_large_input_the_share_that_is_read_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", 3_000, 1, "word " * 300)
    assert path.stat().st_size > EXACT_BYTES
    whole, some = sample_input(job(path)), sample_input(job(path, sample=0.01))
    assert whole.samples == pytest.approx(3_000, rel=0.2)
    assert some.samples == pytest.approx(0.01 * whole.samples)
