"""What a run survives, one command a claim; figures in docs/reliability.md."""
