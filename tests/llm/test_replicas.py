"""Several servers of one model, over real HTTP: a row keeps to one, rows spread, a lost server is passed over."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from pydantic import ValidationError

from rayjob.spec.models import ModelSpec
from tests.llm.rig import ask_all, question, spec
from tests.llm_server import Body, Provider, Script, serve

ROWS = [f"row-{number}" for number in range(40)]
CALLS = [question(f"{row}, call {call}", row=row) for row in ROWS for call in (1, 2)]


def answer(body: Body) -> str:
    return json.dumps({"intent": "build"})


def rows_of(provider: Provider) -> dict[str, int]:
    """Calls of each row that reached a server."""
    found: dict[str, int] = defaultdict(int)
    for body in provider.bodies:
        found[body["messages"][-1]["content"].partition(",")[0]] += 1
    return found


@pytest.mark.parametrize("transport", ["direct", "litellm"])
def test_a_row_keeps_to_one_server_and_rows_spread(transport: str) -> None:
    with serve(Script(answer=answer)) as one, serve(Script(answer=answer)) as two:
        model = spec(one, replicas=[two.url], transport=transport)
        answers, _ = ask_all({"worker": model}, *CALLS)
        assert not [found for found in answers if isinstance(found, BaseException)]
        first, second = rows_of(one), rows_of(two)
    assert set(first.values()) == set(second.values()) == {2}
    assert (first.keys() | second.keys(), first.keys() & second.keys()) == (set(ROWS), set())
    assert min(len(first), len(second)) >= 10


def test_a_server_that_cannot_be_reached_is_passed_over() -> None:
    with serve(Script(answer=answer)) as one:
        model = spec(one, replicas=["http://127.0.0.1:9/v1"], transport="direct")
        answers, client = ask_all({"worker": model}, *CALLS)
        assert not [found for found in answers if isinstance(found, BaseException)]
        assert set(rows_of(one).values()) == {2}
    lost = client.counters.calls["worker", "connection"]
    assert 0 < lost <= len(CALLS), "those that were on their way when the first was refused"


@pytest.mark.parametrize("fields", [{}, {"api_base": "http://h/v1", "mode": "batch"}])
def test_replicas_stand_beside_an_address_and_answer_at_once(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="replicas are further servers beside api_base"):
        ModelSpec.model_validate({"model": "openai/x", "replicas": ["http://h/v1"], **fields})
