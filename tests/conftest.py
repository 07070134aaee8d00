"""What holds for all tests: hypothesis judges what a property says, not how long a loaded machine takes to say it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("rayjob", deadline=None, max_examples=60)
settings.load_profile("rayjob")
