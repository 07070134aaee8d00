"""docs/tuning-prompts.md is run as it stands: its commands, in order, and what it says they print."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.commands import call
from tests.shared_data import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(200)]
PAGE = (ROOT / "docs" / "tuning-prompts.md").read_text(encoding="utf-8")


def blocks() -> list[list[str]]:
    """The lines of each block of the page."""
    return [text.splitlines() for text in re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def fill_in(sheet: Path) -> None:
    """Ann's answers: what the conversations were written as; of the four that do not say, one asks to be told."""
    lines = (ROOT / "examples" / "quickstart.jsonl").read_text(encoding="utf-8").splitlines()
    written = {row["id"]: row["metadata"]["written_as"] for row in map(json.loads, lines) if row.get("metadata")}
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(
            row | {"intent": written.get(row["id"], "learn" if row["id"] == "qm-003" else "build")} for row in rows
        )


def add_aliases(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for tag, more in (("debug", "error, exception, throws"), ("decide", "versus, which-is-better")):
        text, count = re.subn(rf"(- id: {tag}\n(?:.*\n)+?    aliases: \[)", rf"\1{more}, ", text, count=1)
        assert count == 1
    file.write_text(text, encoding="utf-8")


def plain(line: str) -> str:
    return " ".join(line.split())


def test_the_page_is_true(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    for block in blocks():
        if not block[0].startswith("rayjob "):
            for line in filter(None, map(plain, block)):
                start = line.partition("…")[0].strip()
                assert any(shown.startswith(start) for shown in printed), line
            continue
        printed = []
        for command in block:
            words = shlex.split(command)
            if "&&" in words:
                words = words[: words.index("&&")]
            if words[1:3] == ["review", "import"]:
                fill_in(Path(words[-1]))
            if "runs/v2" in words and words[1] == "run":
                add_aliases(Path("taxonomy/code-sft/intent.yaml"))
            done = call(*words[1:])
            assert done.code == 0, done.out + done.err
            printed += map(plain, done.out.splitlines())
            if "&& cd " in command:
                monkeypatch.chdir(tmp_path / command.split()[-1])
