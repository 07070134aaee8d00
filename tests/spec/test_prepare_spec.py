"""What `input:` and `prepare:` accept, and what they say to the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rayjob.spec.prepare import InputSpec, PrepareStep


def test_defaults() -> None:
    step = PrepareStep()
    assert (step.name, step.slice, step.truncate.max_chars, step.sparse) == ("prepare", "none", 20_000, None)
    assert InputSpec(path="a").paths == ("a",)
    assert InputSpec(path=["a", "b"]).paths == ("a", "b")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"slice": "turns"}, "'none', 'last_turn' or 'every_reply'"),
        ({"sparse": {}}, "sparse chooses among replies: it needs slice: every_reply"),
        ({"slice": "every_reply", "inherit": True}, "it needs sparse"),
        ({"slice": "every_reply", "sparse": {"every": 1}}, "greater than or equal to 2"),
        ({"truncate": {"max_chars": 10}}, "greater than or equal to 2000"),
        ({"truncated": {}}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PrepareStep(**settings)
    assert says in str(caught.value)
