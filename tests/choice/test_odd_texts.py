"""Texts that no mathematics is made of: every feature is a finite number, and none takes long."""

from __future__ import annotations

import math

import pytest

from rayjob.choice.table import describe

PLAIN = "What is 1 + 1?", "1 + 1 = 2. So 2.", "2"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("odd", ["9" * 20_000, "1" + "0" * 400 + " + 1 = 5", "9" * 400 + "%", "\n" * 20_000, "1/0 "])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_features_are_finite_and_quick(odd: str, place: int) -> None:
    texts = [odd if at == place else text for at, text in enumerate(PLAIN)]
    assert all(math.isfinite(value) for value in describe(*texts).values())
