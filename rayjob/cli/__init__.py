"""The command line: one file a command; the only place that prints. Each command imports what it needs when it runs."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `rayjob` script."""
    from rayjob.cli.app import app

    app()
