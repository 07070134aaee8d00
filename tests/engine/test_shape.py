"""How the labelling stage is cut: a live model by its concurrency, a batch model by its batch."""

from __future__ import annotations

from typing import Any

import pytest

from rayjob.cli.specs import open_spec
from rayjob.engine.label import Shape, shape_of
from tests.shared_data import ROOT


def shape(rows: int, cpus: int, model: str) -> Shape:
    job = open_spec(str(ROOT / "specs" / "quickstart.yaml"), [f"models.worker={model}"]).resolved.job
    return shape_of(job, ("worker", "judge"), rows, cpus)


BATCH = "{model: openai/gpt-4.1-mini, mode: batch, batch: {requests: 10000}}"
LIVE = "{model: openai/gpt-4.1-mini, limits: {concurrency: 400}}"


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (BATCH, {"actors": 1, "rows_in_flight": 10_000, "rows_a_block": 1_250}),
        (LIVE, {"actors": 3, "rows_in_flight": 268, "rows_a_block": 250}),
    ],
)
def test_a_big_input(model: str, wanted: dict[str, Any]) -> None:
    found = shape(1_000_000, 16, model)
    assert {name: getattr(found, name) for name in wanted} == wanted


def test_a_batch_admits_as_many_rows_as_it_has_questions() -> None:
    found = shape(1_000_000, 16, BATCH)
    assert found.rows_a_block * found.tasks * found.actors >= found.rows_in_flight


def test_a_small_input_fills_no_batch() -> None:
    assert shape(108, 16, BATCH).rows_in_flight == 108


@pytest.mark.parametrize(("base", "actors"), [("", 3), (", api_base: 'http://127.0.0.1:1/v1'", 1)])
def test_plain_http_needs_fewer_actors_than_litellm(base: str, actors: int) -> None:
    # The judge goes through LiteLLM, with few calls in flight: it does not decide.
    model = f"{{model: openai/gpt-4.1-mini, limits: {{concurrency: 400}}{base}}}"
    job = open_spec(str(ROOT / "specs" / "quickstart.yaml"), [f"models.worker={model}"]).resolved.job
    assert shape_of(job, ("worker", "judge"), 1_000_000, 16).actors == actors
