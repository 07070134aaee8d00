"""The command line: one file a command; the only place that prints. Each command imports what it needs when it runs."""

from __future__ import annotations

#: Our own bug: none of the codes that say how a run ended.
EXIT_BUG = 70


def main() -> None:
    """Entry point of the `rayjob` script."""
    import sys

    from rayjob.cli import witness
    from rayjob.cli.app import app

    witness.may_fork = True
    try:
        app()
    except Exception:  # noqa: BLE001 - whatever was not foreseen is ours: the whole traceback, and no code of a run
        import traceback

        traceback.print_exc()
        sys.exit(EXIT_BUG)
