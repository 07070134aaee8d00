"""`python -m rayjob` is the `rayjob` command."""

from rayjob.cli import main

main()
