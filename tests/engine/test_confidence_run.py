"""Where confidence comes from, and what makes an answer doubtful: every way through `rayjob run`, over real HTTP."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.engine.rig import MARK, Job, make_job
from tests.llm_server import Body, Provider, Script, serve

pytestmark = [pytest.mark.ray, pytest.mark.timeout(200)]
ROWS = 12
SECOND = 'models.second={model: openai/other, api_base: "%s", structured: schema}'


class Moody:
    """Models that waver about every second row: there `intent` depends on the model and, warm, on the draw."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def __call__(self, body: Body) -> str:
        prompt = "".join(message["content"] for message in body["messages"])
        wanted = tuple(body["response_format"]["json_schema"]["schema"]["properties"])
        self.asked[body["model"], tuple(name for name in wanted if name in ("intent", "topic"))] += 1
        number = int(MARK.search(prompt)[1])  # type: ignore[index]
        draw = self.asked.total() if body.get("temperature", 0) > 0 and number % 2 else 0
        seed = int(hashlib.sha256(f"{number % 3}{body['model'] if number % 2 else ''}{draw}".encode()).hexdigest(), 16)
        said: dict[str, Any] = {"intent": ("learn", "build", "debug")[seed % 3], "topic": ["web"], "unmapped": []}
        found = {name: said[name] for name in wanted if name in said}
        return json.dumps({**found, "confidence": dict.fromkeys(found, 0.5 if number < 4 else 0.9)})

    def calls(self, *dimensions: str, model: str = "scripted") -> int:
        return self.asked[model, dimensions]


def run_with(tmp_path: Path, server: Provider, arbitrate: str, *sets: str) -> list[dict[str, Any]]:
    job: Job = make_job(tmp_path, server.url, ROWS)
    job.rewrite("spec.yaml", "\nrun:", f"\n  - arbitrate: {{{arbitrate}, rebuild: false, accept: always}}\nrun:")
    job.sets += sets
    done = job.call()
    assert done.code == 0, done.out
    rows: list[dict[str, Any]] = job.rows("labels")
    assert len(rows) == ROWS
    return rows


def test_agreement_of_samples_and_probabilities_of_tokens(cluster: str, tmp_path: Path) -> None:
    moody = Moody()
    with serve(Script(answer=moody)) as server:
        rows = run_with(
            tmp_path, server, "when: {confidence_below: 0.0, disagreement: true}",
            "steps.1.label.samples=4", "steps.1.label.confidence=samples", "steps.1.label.temperature=0.8",
            "steps.2.label.confidence=logprobs",
        )  # fmt: skip
        asked = Counter(body.get("logprobs") for body in server.bodies)
    split = sum(row["arbitrated"] for row in rows)
    assert 0 < split < ROWS
    assert {row["confidence"]["intent"] for row in rows if not row["arbitrated"]} == {1.0}
    assert (moody.calls("intent"), moody.calls("topic")) == (4 * ROWS + split, ROWS)
    assert asked == {True: ROWS, None: 4 * ROWS + split}
    assert all(0.6 < row["confidence"]["topic"] < 0.91 for row in rows)  # one to four tokens of exp(-0.1) each


def test_agreement_of_two_models_calibrated_and_everything_asked_again(cluster: str, tmp_path: Path) -> None:
    moody = Moody()
    points = "dimensions:\n  intent: {method: isotonic, points: [[0.0, 0.1], [1.0, 0.5]]}\n"
    (tmp_path / "calibration.yaml").write_text(f"calibration: 1\n{points}", encoding="utf-8")
    with serve(Script(answer=moody)) as server:
        rows = run_with(
            tmp_path, server, "when: {any: true}, dimensions: [topic]", SECOND % server.url,
            "steps.1.label.also_ask=[second]", "steps.1.label.confidence=models", "calibration=calibration.yaml",
        )  # fmt: skip
    assert (moody.calls("intent"), moody.calls("intent", model="other")) == (ROWS, ROWS)
    found = {round(row["confidence"]["intent"], 6) for row in rows}
    assert found == {0.3, 0.5}, "agreement of .5 and 1 through the map"
    assert {call["model"] for row in rows for call in row["calls"] if call["step"] == "first"} == {
        "openai/scripted", "openai/other",
    }  # fmt: skip
    assert moody.calls("topic") == 2 * ROWS, "asked again, not answered from the ledger"
    assert all(row["arbitrated"] for row in rows)
