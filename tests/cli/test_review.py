"""`rayjob review` as commands: out, filled in, back, status."""

from __future__ import annotations

import csv
import json
import sys

import pytest
from typer.testing import CliRunner

from rayjob.cli.review import app
from tests.reports.labelled_sides import record, side


@pytest.fixture
def runs(tmp_path):
    turns = [{"from": "human", "value": "=why?"}, {"from": "gpt", "value": "because"}]
    a = [record(i, intent="learn" if i < 5 else "build", conversations=turns) for i in range(30)]
    b = [record(i, intent="build", conversations=turns) for i in range(30)]
    return [side(tmp_path, "a", a).path, side(tmp_path, "b", b).path]


def run(*args: str):
    return CliRunner().invoke(app, list(args))


def fill_in(path, **answers: str) -> None:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([row | answers for row in rows])


def test_a_review_goes_out_and_comes_back(runs, tmp_path):
    out = str(tmp_path / "review")
    command = [
        *runs,
        "-o",
        out,
        "--rows",
        "10",
        "--strategy",
        "most_disagreement",
        "--reviewer",
        "ann",
        "--reviewer",
        "bob",
    ]
    result = run("export", *command, "--overlap", "0.5", "--blind")
    assert result.exit_code == 0, result.output
    review = json.loads((tmp_path / "review" / "review.json").read_text())
    assert {row["id"] for row in review["rows"] if row["stratum"] == "targeted"} == {f"r{i:03}" for i in range(5)}
    ann, bob = (tmp_path / "review" / f"sheet-{who}.csv" for who in ("ann", "bob"))
    assert "proposed" not in ann.read_text()
    assert "user: =why?" in ann.read_text()
    fill_in(ann, intent="learn", concept="(none)")
    fill_in(bob, intent="build", concept="zzz")
    result = run("import", out, str(ann), str(bob))
    assert result.exit_code == 0, result.output
    assert "not in the pool: 'zzz'" in result.output
    status = run("status", out).output
    assert "Conflicts between reviewers" in status


@pytest.mark.parametrize("form", ["xlsx", "label-studio"])
def test_other_forms_are_written(runs, tmp_path, form):
    out = tmp_path / "review"
    assert run("export", runs[0], "-o", str(out), "--rows", "3", "--as", form).exit_code == 0
    assert (out / ("sheet.xlsx" if form == "xlsx" else "sheet.tasks.json")).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "pdf"], "accepted: csv, xlsx, label-studio"),
        (["--strategy", "most_disagreement"], "needs two runs"),
        (["--strategy", "per_stratum", "--by", "mood"], "no dimension (have: intent"),
        (["--dimensions", "intent,mood"], "no 'mood'"),
        (["--taxonomy", "nowhere"], "no such folder"),
    ],
)
def test_what_cannot_be_exported_says_why(runs, tmp_path, arguments, message):
    result = run("export", runs[0], "-o", str(tmp_path / "r"), *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_without_openpyxl_a_spreadsheet_says_what_installs_it(runs, tmp_path, monkeypatch):
    out = str(tmp_path / "r")
    assert run("export", runs[0], "-o", out, "--rows", "3", "--as", "xlsx").exit_code == 0
    monkeypatch.setitem(sys.modules, "openpyxl", None)  # as if it were not installed
    for command in (
        ["export", runs[0], "-o", str(tmp_path / "other"), "--as", "xlsx"],
        ["import", out, f"{out}/sheet.xlsx"],
    ):
        result = run(*command)
        assert result.exit_code == 2
        assert "pip install '.[review]' in rayjob's checkout" in " ".join(result.output.split())


def test_a_folder_without_a_review_is_refused(tmp_path):
    assert run("status", str(tmp_path)).exit_code == 2


def test_another_reviews_sheet_is_refused_and_leaves_nothing_behind(runs, tmp_path):
    ours = str(tmp_path / "ours")
    assert run("export", runs[0], "-o", ours, "--rows", "3", "--dimensions", "intent").exit_code == 0
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("key,intent\nzzzzzzzz,build\n")
    result = run("import", ours, str(sheet))
    assert result.exit_code == 2
    assert "is it another review's sheet?" in " ".join(result.output.split())
    assert not (tmp_path / "ours" / "answers.jsonl").exists()


def test_a_seed_draws_the_same_rows_whatever_their_order(tmp_path):
    records = [record(i, intent="learn" if i % 3 else "build") for i in range(40)]
    drawn = []
    for name, order in (("a", 1), ("b", -1)):
        path, out = side(tmp_path, name, records[::order]).path, tmp_path / f"review-{name}"
        assert run("export", path, "-o", str(out), "--rows", "12").exit_code == 0
        drawn.append({row["id"] for row in json.loads((out / "review.json").read_text())["rows"]})
    assert drawn[0] == drawn[1]


def test_rows_that_share_an_id_are_left_out_and_said(tmp_path):
    """Two rows of one id had one key: one's text was shown for both, and one answer was taken for both."""
    turns = [[{"from": "human", "value": word}, {"from": "gpt", "value": "yes"}] for word in ("one", "two", "three")]
    records = [record(i, conversations=turn) for i, turn in zip((1, 1, 2), turns, strict=True)]
    path, out = side(tmp_path, "a", records).path, tmp_path / "review"
    result = run("export", path, "-o", str(out))
    assert "left out: 2 rows" in result.output
    review = json.loads((out / "review.json").read_text())
    assert ([row["id"] for row in review["rows"]], review["population"]) == (["r002"], {"random": 1})
    alone = side(tmp_path, "b", records[:2]).path
    result = run("export", alone, "-o", str(tmp_path / "none"))
    assert (result.exit_code, "no row has a uid or id of its own" in " ".join(result.output.split())) == (2, True)


def test_a_taxonomy_without_the_runs_dimensions_is_refused(runs, tmp_path):
    folder = tmp_path / "taxonomy"
    folder.mkdir()
    text = "dimension: mood\ndescription: d\nselect: single\ntags:\n- {id: x, name: n, description: d}\n"
    (folder / "mood.yaml").write_text(text)
    for named in ([], ["--dimensions", "intent"]):
        result = run("export", runs[0], "-o", str(tmp_path / "r"), "--taxonomy", str(folder), *named)
        assert result.exit_code == 2
        assert "(have: mood)" in " ".join(result.output.split())


def test_a_sheet_whose_reviewer_was_cleared_is_still_its_reviewers(runs, tmp_path):
    """Under the file's name they would be a second person who always agrees with the first."""
    out = tmp_path / "review"
    asked = ["export", runs[0], "-o", str(out), "--rows", "4", "--reviewer", "ann b", "--overlap", "0"]
    assert run(*asked).exit_code == 0
    [sheet] = out.glob("sheet-*.csv")
    fill_in(sheet, intent="learn", reviewer="")
    result = run("import", str(out), str(sheet))
    assert "4 answers in 4 rows by ann b, 0 kept aside" in " ".join(result.output.split())
