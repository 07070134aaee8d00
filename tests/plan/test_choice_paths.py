"""Files that the choice steps name are found from the spec's folder, wherever the run is started."""

from __future__ import annotations

from pathlib import Path

from rayjob.cli.specs import open_spec
from rayjob.spec.choice import ChooseStep, TrainChoiceStep

TRAIN = """\
rayjob: 1
name: paths
input: {path: rows.jsonl, format: reasoning}
steps:
  - train_choice:
      pairs: sets/pairs.jsonl
      other: {plain: ../plain.jsonl, paired: {path: sets/other.jsonl, pairs: sets/other_pairs.jsonl}, far: s3://b/x.jsonl}
output: out
"""
CHOOSE = """\
rayjob: 1
name: paths
input: {path: rows.jsonl, format: reasoning}
steps:
  - choose: {weights: trained/model.safetensors}
output: out
"""


def settings(folder: Path, text: str) -> object:
    """The settings of the one step, as a run gets them."""
    (folder / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return open_spec(str(folder / "spec.yaml"), []).resolved.job.steps[0].settings


def test_pairs_other_domains_and_weights_are_absolute(tmp_path: Path) -> None:
    training = settings(tmp_path, TRAIN)
    assert isinstance(training, TrainChoiceStep)
    assert training.pairs == f"{tmp_path}/sets/pairs.jsonl"
    assert {name: (rows.path, rows.pairs) for name, rows in training.others().items()} == {
        "plain": (f"{tmp_path.parent}/plain.jsonl", None),
        "paired": (f"{tmp_path}/sets/other.jsonl", f"{tmp_path}/sets/other_pairs.jsonl"),
        "far": ("s3://b/x.jsonl", None),
    }
    choosing = settings(tmp_path, CHOOSE)
    assert isinstance(choosing, ChooseStep)
    assert choosing.weights == f"{tmp_path}/trained/model.safetensors"
