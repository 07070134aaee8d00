"""One process at a time works on a run's folder: two would label, and pay for, every row twice."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Callable
from typing import IO

from rayjob.reports.process import is_gone, this_process
from rayjob.reports.progress import read_events
from rayjob.store import files
from rayjob.store.address import parse_address
from rayjob.store.runfolder import RunFolder

#: A run on another machine writes an event at least this often, S3's ten seconds and a slow upload included.
SILENT_S = 30.0
EVERY_S = 2.0


class BusyError(Exception):
    """Another process works on the folder; the text says which, and what to do."""

    def __init__(self, path: str, who: str) -> None:
        super().__init__(
            f"{path}: {who} is at work on it, and two would label every row twice.\n"
            f"Two ways on: wait until it ends (rayjob watch {path}), or --output PATH for a run of its own."
        )


class Claim:
    """Held from before the folder is read until the run ends; the kernel gives it back for a process that is killed."""

    def __init__(self, path: str, wait: Callable[[float], None] = time.sleep) -> None:
        """Raises BusyError where another process of this machine holds the folder, or one elsewhere writes to it."""
        self._file = _lock(path)
        try:
            _refuse_others(path, wait)
        except BusyError:
            self.release()
            raise

    def release(self) -> None:
        """Give the folder back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(path: str) -> IO[str] | None:
    """The lock's open file; None where there can be none (a folder that cannot be written says so by itself later)."""
    try:
        file = open(_lock_file(path), "a+", encoding="utf-8")  # noqa: SIM115 - open for as long as the claim is held
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read().strip()
        file.close()
        raise BusyError(path, who or "another process") from None
    except OSError:  # a file system without locks
        file.close()
        return None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file


def _lock_file(path: str) -> str:
    """In the folder itself where it is local; for one on S3, what the processes of a machine have in common."""
    address = parse_address(path)
    if address.is_local:
        os.makedirs(address.path, exist_ok=True)
        return os.path.join(address.path, ".lock")
    name = hashlib.sha256(address.uri.rstrip("/").encode()).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), f"rayjob-{os.getuid()}-{name}.lock")


def _refuse_others(path: str, wait: Callable[[float], None]) -> None:
    """A run of another machine cannot be asked whether it lives: whether its events go on says it."""
    before = _last_word(path)
    process, told = before
    if told is None or not process or process.get("where") == this_process()["where"] or is_gone(process):
        return
    if time.time() - told > SILENT_S:
        return
    for _ in range(int(SILENT_S / EVERY_S)):
        wait(EVERY_S)
        now = _last_word(path)
        if now[1] is None:
            return
        if now != before:
            raise BusyError(path, f"process {process.get('pid')} on {str(process.get('where')).partition(' ')[0]}")


def _last_word(path: str) -> tuple[dict[str, object], float | None]:
    """The process of the last session, and when it last said something; None where it is over, or there was none."""
    uri = RunFolder(path).at("events.jsonl")
    if not files.exists(uri):
        return {}, None
    events = read_events(files.read_bytes(uri).decode(errors="replace"))
    if not events or events[-1].get("event") == "run_done":
        return {}, None
    began = next((event for event in reversed(events) if event.get("event") == "run_started"), {})
    process = began.get("process")
    return (process if isinstance(process, dict) else {}), float(events[-1].get("t") or 0.0)
