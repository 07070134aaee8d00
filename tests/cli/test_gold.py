"""`rayjob gold` as commands: built, merged, checked, scored; exit codes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from rayjob.cli import review
from rayjob.cli.gold import app
from tests.cli.test_review import fill_in
from tests.reports.labelled_sides import record, side


@pytest.fixture
def runs(tmp_path):
    a = [record(i, intent="learn" if i < 5 else "build", concept=("x",)) for i in range(30)]
    b = [record(i, intent="build", concept=("x",)) for i in range(30)]
    return [side(tmp_path, "a", a).path, side(tmp_path, "b", b).path]


def run(*args: str):
    return CliRunner().invoke(app, list(args))


def test_gold_from_runs_is_built_and_scores_a_run(runs, tmp_path):
    out, left = str(tmp_path / "g.jsonl"), tmp_path / "open.jsonl"
    result = run("build", *runs, "-o", out, "--open", str(left), "--by", "me")
    assert result.exit_code == 0, result.output
    assert len(left.read_text().splitlines()) == 5
    header = json.loads((tmp_path / "g.jsonl").read_text().splitlines()[0])
    assert (header["by"], header["method"], header["rows"]) == ("me", "unanimous", 30)
    result = run("score", runs[1], "--gold", out, "--json", "-")
    scores = {one["dimension"]: one for one in json.loads(result.stdout)}
    assert (scores["intent"]["rows"], scores["intent"]["accuracy"]["value"]) == (25, 1.0)
    assert "Tags of intent" in run("score", runs[0], "--gold", out, "--tags").output


def test_gold_from_a_review_keeps_its_strata(runs, tmp_path):
    folder, out = str(tmp_path / "review"), str(tmp_path / "g.jsonl")
    exported = [
        "export",
        runs[0],
        "-o",
        folder,
        "--rows",
        "10",
        "--reviewer",
        "ann",
        "--reviewer",
        "bob",
        "--overlap",
        "1",
    ]
    assert CliRunner().invoke(review.app, exported).exit_code == 0
    for who in ("ann", "bob"):
        fill_in(f"{folder}/sheet-{who}.csv", intent="build", concept="x")
    assert (
        CliRunner()
        .invoke(review.app, ["import", folder, f"{folder}/sheet-ann.csv", f"{folder}/sheet-bob.csv"])
        .exit_code
        == 0
    )
    assert run("build", "--review", folder, "-o", out).exit_code == 0
    header, first, *_ = map(json.loads, (tmp_path / "g.jsonl").read_text().splitlines())
    assert header["population"] == {"random": 30}
    assert (first["stratum"], first["how"]["intent"]) == ("random", "review: ann, bob")
    result = run("score", runs[0], "--review", folder)
    assert result.exit_code == 0
    assert "Accuracy against reviewers" in result.output


def test_judged_rows_that_a_run_lacks_are_said(runs, tmp_path):
    out = str(tmp_path / "g.jsonl")
    assert run("build", *runs, "-o", out).exit_code == 0
    short = side(tmp_path, "short", [record(i) for i in range(20)]).path
    said = "10 of 30 judged rows have no labels in this run"
    assert said in " ".join(run("score", short, "--gold", out).output.split())
    assert "judged rows have no" not in run("score", runs[0], "--gold", out).output


def test_a_review_of_other_rows_scores_nothing(runs, tmp_path):
    folder = str(tmp_path / "review")
    assert CliRunner().invoke(review.app, ["export", runs[0], "-o", folder, "--rows", "5"]).exit_code == 0
    fill_in(f"{folder}/sheet.csv", intent="build")
    assert CliRunner().invoke(review.app, ["import", folder, f"{folder}/sheet.csv"]).exit_code == 0
    other = side(tmp_path, "other", [record(i) for i in range(100, 120)]).path
    result = run("score", other, "--review", folder)
    assert (result.exit_code, "shares no row" in " ".join(result.output.split())) == (2, True)


def test_a_merge_with_something_open_exits_1(runs, tmp_path):
    out = [str(tmp_path / name) for name in ("g1.jsonl", "g2.jsonl", "g.jsonl")]
    for path, source in zip(out, runs, strict=False):
        assert run("build", source, source, "-o", path).exit_code == 0
    assert run("merge", *out[:2], "-o", out[2]).exit_code == 1
    assert run("merge", *out[:2], "-o", out[2], "--prefer", "last").exit_code == 0


def test_check_finds_tags_that_are_gone(runs, tmp_path):
    out, folder = str(tmp_path / "g.jsonl"), tmp_path / "taxonomy"
    assert run("build", *runs, "-o", out).exit_code == 0
    folder.mkdir()
    dimensions = {"intent": ("single", "build"), "difficulty": ("single", "expert"), "concept": ("multi", "x")}
    for name, (select, tags) in {**dimensions, "task": ("multi", "t")}.items():
        text = (
            f"dimension: {name}\ndescription: d\nselect: {select}\ntags:\n- {{id: {tags}, name: n, description: d}}\n"
        )
        (folder / f"{name}.yaml").write_text(text)
    assert run("check", out, "--taxonomy", str(folder)).exit_code == 0
    (folder / "concept.yaml").write_text(
        (folder / "concept.yaml").read_text().replace("id: x,", "id: z, aliases: [x],")
    )
    result = run("check", out, "--taxonomy", str(folder))
    assert result.exit_code == 1
    assert "now an alias of z" in result.output


@pytest.mark.parametrize(
    "arguments", [["build"], ["build", "one.json"], ["score", "x.json"], ["merge", "x", "-o", "y", "--prefer", "me"]]
)
def test_what_cannot_be_done_exits_2(arguments):
    assert run(*arguments).exit_code == 2
