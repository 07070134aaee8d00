"""Sheets for human reviewers: out and back in."""
