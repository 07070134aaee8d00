"""`rayjob compare` as a command: exit codes, and what goes to stdout."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from rayjob.cli.compare import compare
from tests.reports.labelled_sides import record, side

app = typer.Typer()
app.command()(compare)


@pytest.fixture
def paths(tmp_path):
    a = [record(i, intent="learn" if i < 5 else "build") for i in range(20)]
    b = [record(i, intent="build", concept=("x",)) for i in range(20)]
    return [side(tmp_path, "a", a).path, side(tmp_path, "b", b).path]


def run(*args: str):
    return CliRunner().invoke(app, [*args, "--bootstrap", "20"])


def test_tables_are_printed_and_exit_is_0(paths):
    result = run(*paths)
    assert result.exit_code == 0
    assert "Agreement: a | b" in result.output


def test_json_alone_goes_to_stdout(paths):
    result = run(*paths, "--json", "-")
    assert json.loads(result.stdout)["compared_rows"] == 20


def test_pages_are_written(paths, tmp_path):
    result = run(*paths, "--html", str(tmp_path / "o" / "c.html"), "--md", str(tmp_path / "c.md"))
    assert result.exit_code == 0
    assert (tmp_path / "o" / "c.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "c.md").read_text().startswith("# Comparison: a \\| b")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fail-if", "intent.exact < 0.8"], 1),
        (["--fail-if", "intent.exact < 0.7"], 0),
        (["--fail-if", "intent.exat < 0.7"], 2),
        (["--key", "row"], 2),
        (["nothing-here.json"], 2),
    ],
)
def test_exit_code_says_who_must_act(paths, arguments, code):
    result = run(*paths, *arguments)
    assert result.exit_code == code
    assert "Traceback" not in result.output


def test_one_side_is_not_a_comparison(paths):
    assert run(paths[0]).exit_code == 2


def test_a_run_folder_is_a_side_with_its_usage(paths, tmp_path):
    folder = tmp_path / "run"
    (folder / "labels").mkdir(parents=True)
    rows = [
        {"uid": f"f:{i}", "id": f"r{i:03}", "conversation": "[]", "labels": {"intent": "build", "concept": ["x"]},
         "confidence": {"intent": 0.7, "concept": None}, "unmapped": []}
        for i in range(20)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "labels" / "part-0.parquet")
    (folder / "stats.json").write_text(json.dumps({"total_llm_calls": 41, "total_cost_usd": 0.5}))
    result = run(str(folder), paths[1], "--json", "-")
    read = json.loads(result.stdout)
    assert read["sides"][0]["usage"]["calls"] == 41
    assert read["sides"][0]["mean_confidence"] == {"intent": pytest.approx(0.7)}
    assert read["pairs"][0]["metrics"]["concept"]["exact"]["value"] == 1.0
