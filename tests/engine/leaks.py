"""Looks for a recognisable key everywhere that a run writes: its folder, what it printed, Ray's own session folder."""

from __future__ import annotations

from pathlib import Path

from tests.engine.rig import Job

SECRET = "sk-recognisable-4f1d2c7a9b"
SESSIONS = Path("/tmp/ray")


def leaks(folder: Path, printed: str) -> list[str]:
    """Where the key stands; Parquet and the ledger are compressed, so their text is read as well."""
    rows = [str(row) for name in ("labels", "failures") for row in Job(folder.parent).rows(name)]
    return files_with_key(folder) + [text[:200] for text in (*rows, printed) if SECRET in text]


def files_with_key(folder: Path) -> list[str]:
    """Files under a folder that hold the key."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def leaks_of_ray(since: float) -> list[str]:
    """Files in the sessions that Ray began since a time (in unix seconds): logs, the job's environment, the rest."""
    sessions = [session for session in SESSIONS.glob("session_*_*") if session.stat().st_mtime >= since]
    assert sessions, f"Ray's sessions stand in {SESSIONS}"
    return [found for session in sessions for found in files_with_key(session)]
