"""A review through a real Label Studio: out, imported there, annotated over its API, exported, back; each step checked.

Label Studio wants an environment of its own (it pins many packages). In one shell:

    python -m venv ls && ls/bin/pip install label-studio
    LABEL_STUDIO_USERNAME=a@b.example LABEL_STUDIO_PASSWORD=choose-one LABEL_STUDIO_USER_TOKEN=<40 hex digits> \\
      LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true \\
      ls/bin/label-studio start --no-browser --internal-host 127.0.0.1 --port 8095

and in another, in rayjob's own environment:

    LABEL_STUDIO_USER_TOKEN=<the same> python tools/label_studio_roundtrip.py LABELLED.json --url http://127.0.0.1:8095
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from rayjob.cli.review import app
from rayjob.review.folder import read_answers, read_kept, read_review
from rayjob.review.pools import NONE
from rayjob.review.sheet import Review

Expected = dict[str, dict[str, tuple[str, ...]]]
NASTY = '=1+1 "quotes", שלום 😀\nsecond line'


class LabelStudio:
    """The few calls of its API that are needed."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token

    def call(self, method: str, path: str, body: object | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read() or b"null")


def annotate(server: LabelStudio, project: int, review: Review) -> Expected:
    """Answer every task over the API: seeded choices, a nasty comment, one unknown tag, one skipped task."""
    rng = random.Random(7)
    tasks = server.call("GET", f"tasks?project={project}&page_size=1000&fields=all")["tasks"]
    expected: Expected = {}
    for number, task in enumerate(sorted(tasks, key=lambda task: task["data"]["key"])):
        answers = {name: pick(rng, pool.tags, pool.select) for name, pool in review.pools.items()}
        result = [result_of(name, "choices", list(tags) or [NONE]) for name, tags in answers.items()]
        result.append(result_of("comment", "textarea", [NASTY]))
        if number == 0:
            result.append(result_of("other_tags", "textarea", ["brand-new-tag"]))
        skipped = number == 1
        body = {"result": result, "was_cancelled": skipped}
        server.call("POST", f"tasks/{task['id']}/annotations/", body)
        if not skipped:
            expected[task["data"]["key"]] = answers
    return expected


def pick(rng: random.Random, tags: tuple[str, ...], select: str) -> tuple[str, ...]:
    return (
        (rng.choice(tags),) if select == "single" else tuple(sorted(rng.sample(tags, rng.randrange(min(4, len(tags))))))
    )


def result_of(name: str, kind: str, values: list[str]) -> dict[str, object]:
    field = "text" if kind == "textarea" else kind
    return {"from_name": name, "to_name": "text", "type": kind, "value": {field: values}}


def command(*arguments: str) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    print(result.output)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("labelled", help="a run folder or labelled file")
    options.add_argument("--url", default="http://127.0.0.1:8095")
    options.add_argument("--rows", default="20")
    chosen = options.parse_args()
    server = LabelStudio(chosen.url, os.environ["LABEL_STUDIO_USER_TOKEN"])
    with tempfile.TemporaryDirectory() as folder:
        command("export", chosen.labelled, "-o", folder, "--rows", chosen.rows, "--as", "label-studio")
        review = read_review(folder)
        config = (Path(folder) / "label-studio.xml").read_text()
        project = server.call("POST", "projects", {"title": "rayjob round trip", "label_config": config})["id"]
        tasks = json.loads((Path(folder) / "sheet.tasks.json").read_text())
        imported = server.call("POST", f"projects/{project}/import", tasks)
        print(f"imported: {imported['task_count']} tasks, {imported['prediction_count']} predictions")
        assert imported["task_count"] == len(review.rows)
        expected = annotate(server, project, review)
        exported = server.call("GET", f"projects/{project}/export?exportType=JSON&download_all_tasks=true")
        back = Path(folder) / "from-label-studio.json"
        back.write_text(json.dumps(exported))
        command("import", folder, str(back))
        check(folder, expected)
        server.call("DELETE", f"projects/{project}")
    print(f"round trip: {len(expected)} rows, {sum(map(len, expected.values()))} answers, every one as it was given")


def check(folder: str, expected: Expected) -> None:
    answers = {one.key: one for one in read_answers(folder)}
    assert {key: dict(one.answers) for key, one in answers.items()} == expected
    assert all(one.comment == NASTY for one in answers.values())
    kept = read_kept(folder)
    assert "brand-new-tag" in [one.text for one in kept]
    assert any(one.column.startswith("skipped: ") for one in kept)
    print(f"kept aside: {len(kept)} (one unknown tag, one skipped task); answered by {answers.popitem()[1].reviewer}")


if __name__ == "__main__":
    main()
