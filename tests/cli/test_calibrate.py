"""`rayjob calibrate` as a command."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from rayjob.cli import gold, review
from rayjob.cli.calibrate import calibrate, find_outcomes
from rayjob.reports.gold import Gold, GoldRow
from rayjob.reports.labelled import build_labelled
from rayjob.review.folder import read_review
from rayjob.spec.quality import parse_calibration
from tests.cli.test_review import fill_in
from tests.reports.labelled_sides import record, side

app = typer.Typer()
app.command()(calibrate)


@pytest.fixture
def run_path(tmp_path):
    rng = random.Random(0)
    records = [record(i, intent="build") for i in range(200)]
    for row in records:
        row["labels"]["confidence"] = {"intent": rng.choice([0.7, 0.8, 0.9, 1.0])}
    return side(tmp_path, "run", records).path


def truth_of(run_path, tmp_path):
    rng = random.Random(1)
    rows = [record(i, intent="build" if rng.random() < 0.8 else "learn") for i in range(200)]
    path = side(tmp_path, "truth", rows).path
    out = str(tmp_path / "gold.jsonl")
    assert CliRunner().invoke(gold.app, ["build", path, path, "-o", out]).exit_code == 0
    return out


def test_a_calibration_is_written_and_shown(run_path, tmp_path):
    out, page = tmp_path / "calibration.yaml", tmp_path / "c.html"
    arguments = [
        run_path,
        "--gold",
        truth_of(run_path, tmp_path),
        "-o",
        str(out),
        "--html",
        str(page),
        "--target",
        "0.7",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    made = parse_calibration(out.read_text())
    assert list(made.dimensions) == ["intent"]
    assert made.dimensions["intent"].threshold is not None
    assert made.dimensions["intent"].accuracy == pytest.approx(0.8, abs=0.06)
    assert page.read_text().count("<svg") == 1


def test_disputed_rows_of_a_review_count_as_wrong(run_path, tmp_path):
    folder, out = str(tmp_path / "review"), tmp_path / "c.yaml"
    asked = [
        "export",
        run_path,
        "-o",
        folder,
        "--rows",
        "60",
        "--reviewer",
        "ann",
        "--reviewer",
        "bob",
        "--overlap",
        "1",
    ]
    assert CliRunner().invoke(review.app, asked).exit_code == 0
    sheets = [f"{folder}/sheet-{who}.csv" for who in ("ann", "bob")]
    fill_in(sheets[0], intent="build")
    assert CliRunner().invoke(review.app, ["import", folder, *sheets]).exit_code == 0
    assert CliRunner().invoke(app, [run_path, "--review", folder, "-o", str(out)]).exit_code == 0
    assert parse_calibration(out.read_text()).dimensions["intent"].accuracy == 1.0
    (tmp_path / "review" / "sheet-bob.csv").write_text(f"key,reviewer,intent\n{first_key(folder)},bob,(none)\n")
    assert CliRunner().invoke(review.app, ["import", folder, sheets[1]]).exit_code == 0
    assert CliRunner().invoke(app, [run_path, "--review", folder, "-o", str(out)]).exit_code == 0
    assert parse_calibration(out.read_text()).dimensions["intent"].accuracy == pytest.approx(59 / 60)


def first_key(folder: str) -> str:
    return read_review(folder).rows[0].key


@pytest.mark.parametrize("arguments", [[], ["--gold", "g", "--review", "r"], ["--gold", "nothing.jsonl"]])
def test_somebody_must_say_what_is_right(run_path, arguments):
    assert CliRunner().invoke(app, [run_path, *arguments]).exit_code == 2


def test_confidence_that_was_mapped_before_is_refused(run_path, tmp_path):
    """The map of a run that applied one already would be applied on top of it."""
    folder = tmp_path / "v2"
    (folder / "labels").mkdir(parents=True)
    rows = [{"id": f"r{i:03}", "labels": {"intent": "build"}, "confidence": {"intent": 0.9}} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "labels" / "part.parquet")
    (folder / "run.json").write_text(json.dumps({"spec": {"calibration": "c.yaml"}}))
    result = CliRunner().invoke(app, [str(folder), "--gold", truth_of(run_path, tmp_path), "-o", str(tmp_path / "c")])
    assert result.exit_code == 2
    assert "calibrated already (calibration: c.yaml)" in " ".join(result.output.split())


def test_what_was_spread_says_nothing_of_a_models_confidence():
    def of(i: int) -> dict[str, object]:
        spread = [{"dimension": "intent", "confidence": 0.97}] if i % 2 else None
        stated = {"intent": 0.97 if i % 2 else 0.6}
        return {"id": f"r{i}", "labels": {"intent": "a"}, "confidence": stated, "propagated": spread}

    records = [of(i) for i in range(6)]
    truth = Gold(tuple(GoldRow(f"r{i}", "", {"intent": ("a",)}, {}) for i in range(6)), frozenset(), "now")
    [found] = find_outcomes(build_labelled("run", "run", records), truth)
    assert found.confidence.tolist() == [0.6] * 3
