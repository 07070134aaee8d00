"""The model card: what was trained on what, what it is worth beside its baselines, which guards it failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rayjob.choice.guards import Guard
from rayjob.choice.scores import Interval, Scores


@dataclass(frozen=True, slots=True)
class Card:
    """Everything the card says. No times and no paths: the same training gives the same card."""

    data: Mapping[str, object]
    split: Mapping[str, object]
    settings: Mapping[str, object]
    scores: Scores
    per_split: tuple[float, ...]
    siblings: Scores | None
    sibling_count: int
    baselines: Mapping[str, Interval]
    across: Mapping[str, Scores]
    temperature: float
    guards: tuple[Guard, ...] = field(default=())
    architecture: str = "symmetric"
    encoder: str = ""
    finetune: Mapping[str, object] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[str, ...]:
        """Guards that did not hold."""
        return tuple(guard.name for guard in self.guards if guard.passed is False)

    def to_json(self) -> str:
        """The card as JSON, keys sorted."""
        return (
            json.dumps(
                {**asdict(self), "failed_guards": list(self.failed)},
                sort_keys=True,
                indent=2,
            )
            + "\n"
        )


def write_markdown(card: Card) -> str:
    """The card for people."""
    lines = ["# Model card: which of two reasonings is better", ""]
    if card.failed:
        lines += [f"**FAILED GUARDS: {', '.join(card.failed)}.** Read them below before using this model.", ""]
    lines += [
        f"Architecture: {_ARCHITECTURES[card.architecture]} Temperature {card.temperature:.3f}.",
        *_extra(card),
        f"Data: {card.data['reasonings']} reasonings of {card.data['questions']} questions, "
        f"{card.data['pairs']} scored pairs, "
        f"hash {card.data['hash']}. Split by question: {card.split['folds']} folds, seeds {card.split['seeds']}, "
        f"{card.split['tested_folds']} tested per seed, hashes {card.split['hashes']}. All scores are on "
        f"held-out questions; intervals "
        "are 95 %, from resampling questions.",
        "",
        "| score | value |",
        "| --- | --- |",
        *_score_rows("single pair", card.scores),
        *(_score_rows(f"with {card.sibling_count} siblings per pair", card.siblings) if card.siblings else []),
        *(
            row
            for name, scores in sorted(card.across.items())
            for row in _score_rows(f"other domain, {name}", scores)[:1]
        ),
        "| accuracy per split | " + ", ".join(f"{100 * value:.1f}" for value in card.per_split) + " |",
        *(f"| baseline: {name.replace('_', ' ')} | {value} |" for name, value in card.baselines.items()),
        "",
        "| guard | held | figure |",
        "| --- | --- | --- |",
        *(f"| {guard.name} | {_held(guard)} | {guard.says} |" for guard in card.guards),
    ]
    return "\n".join(lines) + "\n"


_ARCHITECTURES = {
    "symmetric": "symmetric (Bradley-Terry; swapping the inputs mirrors the answer exactly).",
    "dual": "dual (the original's network, to compare with: it does not mirror; see the guard swap).",
}


def _extra(card: Card) -> list[str]:
    """What else went into the model: an encoder that embedded the texts, or one that was fine-tuned."""
    lines = [f"Vectors: the texts, embedded with `{card.encoder}`."] if card.encoder else []
    if card.finetune:
        told = ", ".join(f"{name} {value}" for name, value in sorted(card.finetune.items()))
        lines.append(f"Fine-tuned encoder beside the features (weights: features, encoder): {told}.")
    return lines


def _held(guard: Guard) -> str:
    return {True: "yes", False: "**NO**", None: "not run"}[guard.passed]


def _score_rows(name: str, scores: Scores) -> list[str]:
    return [
        f"| {name}: accuracy | {scores.accuracy} ({scores.pairs} pairs, {scores.questions} questions) |",
        f"| {name}: most confident half | {scores.confident_half} |",
        f"| {name}: length-controlled | {scores.length_controlled} |",
        f"| {name}: calibration error (ECE) | {scores.ece:.3f} |",
    ]
