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


def files_with_key(folder: Path, since: float = 0.0) -> list[str]:
    """Files under a folder that were written since a time (unix seconds) and hold the key."""
    return [str(file) for file in changed(folder, since) if SECRET.encode() in file.read_bytes()]


def changed(folder: Path, since: float) -> list[Path]:
    """Files under a folder that were written since a time."""
    return [file for file in folder.rglob("*") if file.is_file() and file.stat().st_mtime >= since]


def leaks_of_ray(since: float) -> list[str]:
    """Files of Ray's sessions written since a time (in unix seconds): logs, the job's environment, the rest."""
    sessions = [session for session in SESSIONS.glob("session_*_*") if changed(session, since)]
    assert sessions, f"Ray's sessions stand in {SESSIONS}"
    return [found for session in sessions for found in files_with_key(session, since)]
