"""What can be seen in a conversation without a model."""

from __future__ import annotations

from dataclasses import dataclass

from rayjob.labels.turns import Conversation


@dataclass(frozen=True, slots=True)
class Signals:
    """Cues found in the text."""

    languages: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As the column `signals` holds it."""
        return {"languages": list(self.languages)}


def find_signals(conversation: Conversation) -> Signals:
    """The signals of a conversation."""
    return Signals()
