"""What holds for all tests: how hypothesis judges, and which tests come first."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Hypothesis judges what a property says, not how long a loaded machine takes to say it.
settings.register_profile("rayjob", deadline=None, max_examples=60)
settings.load_profile("rayjob")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use Ray first: dealt out in long runs, they fall to one process and its cluster, and mostly wait."""
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)
