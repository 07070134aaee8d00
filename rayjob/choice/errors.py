"""What the binary-choice classifier refuses, in words for the person who can act."""

from __future__ import annotations


class ChoiceError(ValueError):
    """Data, weights or settings that cannot be used; the message says what was found, what is accepted and what to
    do."""
