"""Keeps a witness of a run: who is killed, or ended by Ray because its raylet is gone, says no last word itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from rayjob.cli.app import EXIT_FIX, is_for_the_user

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
#: `si_code` of the terminal's Ctrl-C, which reaches the whole process group and needs no passing on.
FROM_KERNEL = 0x80
PR_SET_PDEATHSIG = 1
#: Said in the place of an exit code by work that ended with a bug or an interrupt, which choose the code further up.
NO_CODE = 255

#: Set by `rayjob` as a program of its own; who calls a command as a function keeps their process to themselves.
may_fork = False


def run_witnessed(work: Callable[[], int], lost: Callable[[int], int]) -> int:
    """The exit code of `work`, done in a child process; where that went without an end, what `lost` makes of its code.

    Codes below zero are signals. Forks before `work` has loaded anything with threads of its own (S3, Ray). In another
    program than ours, and where there is no Linux, `work` is done right here. Raises what `work` raises, in the child.
    """
    if not may_fork or sys.platform != "linux":
        return work()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        _die_with_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reads)
        code = NO_CODE
        try:
            code = work()
            return code
        except Exception as error:  # raised again: only the exit code that it will get must be known to the witness
            code = EXIT_FIX if is_for_the_user(error) else NO_CODE
            raise
        finally:
            os.write(writes, bytes([code]))
    os.close(writes)
    code = _wait(child)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    said = os.read(reads, 1)
    os.close(reads)
    if not said:
        return lost(code)
    if said[0] != NO_CODE:
        return said[0]  # whatever became of the process afterwards, while Ray was taken down
    return code if code >= 0 else 128 - code


def _die_with_parent() -> None:
    """kill -9 of the witness ends the run as well."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(child: int) -> int:
    """Pass signals on until the child has ended; its exit code."""
    while True:
        found = signal.sigwaitinfo(WATCHED)
        if found.si_signo != signal.SIGCHLD:
            if found.si_code != FROM_KERNEL:
                os.kill(child, found.si_signo)
            continue
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
