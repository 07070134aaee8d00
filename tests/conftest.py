"""What holds for all tests: how hypothesis judges, and which tests keep to one of the two processes."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Hypothesis judges what a property says, not how long a loaded machine takes to say it.
settings.register_profile("rayjob", deadline=None, max_examples=60)
settings.load_profile("rayjob")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use Ray share one process and its cluster, and mostly wait; the others run beside them."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)  # the long group first
