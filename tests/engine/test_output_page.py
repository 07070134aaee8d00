"""docs/output.md names the columns that a run writes, and its example reads them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rayjob.engine.columns import FAILED, labelled, to_table
from rayjob.engine.judging import CHOICE, judged_schema
from rayjob.labels.taxonomy import parse_taxonomy
from tests.shared_data import ROOT

PAGE = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
TEXT = "dimension: intent\nselect: single\ntags: [{id: learn}]\n"
LABELS = labelled(parse_taxonomy({"intent.yaml": TEXT})[0], ["intent"])


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def fields_in(kind: pa.DataType) -> list[str]:
    struct = kind.value_type if pa.types.is_list(kind) else kind
    return [struct.field(index).name for index in range(struct.num_fields)] if pa.types.is_struct(struct) else []


def test_the_columns_of_labels_are_those_of_a_run() -> None:
    told = section("`labels/`")
    columns = [name for row in re.findall(r"^\| (`.+?) \|", told, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert columns == [name for name in LABELS.names if name != "failure"]
    for name in ("unmapped", "canonicalized", "calls", "propagated"):
        assert "{" + ", ".join(fields_in(LABELS.field(name).type)) + "}" in told
    assert "{" + ", ".join(fields_in(CHOICE)) + "}" in told
    lacking = [name for name in LABELS.names if name not in judged_schema("choice").names]
    assert ", ".join(f"`{name}`" for name in lacking) in told


def test_the_columns_of_failures_are_those_of_a_run() -> None:
    assert {name for name in FAILED.names if f"`{name}`" not in section("`failures/`")} == set()


def test_the_example_reads_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "quickstart" / "labels"
    folder.mkdir(parents=True)
    row = {"uid": "a.jsonl#1#1", "labels": {"intent": "learn"}, "confidence": {"intent": 0.5}}
    pq.write_table(to_table([row], LABELS), folder / "0.parquet")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out == "a.jsonl#1#1 learn 0.5\n"
