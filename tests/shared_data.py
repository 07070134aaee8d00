"""Real data that lies beside the checkout, when it does: tests that need it skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared(path: str) -> Path:
    """A file of the shared data folder (RAYJOB_SHARED, else ../shared/data); skips the test where it is absent."""
    base = Path(os.environ.get("RAYJOB_SHARED", ROOT.parent / "shared" / "data"))
    found = base / path
    if not found.exists():
        pytest.skip(f"no shared data at {path}")
    return found
