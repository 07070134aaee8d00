"""What a model must beat: length, who wrote it, always the first. Printed beside every score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.scores import Interval, bootstrap, hits


def measure_baselines(reasonings: Sequence[Reasoning], training: Pairs, tested: Sequence[Pairs]) -> dict[str, Interval]:
    """Accuracy of each baseline on the held-out pairs; what is fitted is fitted on pairs of the other questions."""
    pairs = np.concatenate(list(tested))
    qids = [reasonings[first].qid for first, _ in pairs]
    sizes = np.asarray([len(reasoning.text) for reasoning in reasonings])
    longer = hits((sizes[pairs[:, 0]] - sizes[pairs[:, 1]]).astype(np.float64))
    style = np.concatenate([hits(style_logits(reasonings, training, part)) for part in tested])
    # Which side stands first is drawn: the class shares of a balanced comparison are what majority comes to.
    first = np.random.default_rng(0).random(len(pairs)) < 0.5
    majority = hits(np.where(first, 1.0, -1.0) * (1.0 if first.mean() >= 0.5 else -1.0))
    return {
        "longer_is_right": bootstrap(longer, qids),
        **_stronger(reasonings, pairs, qids),
        "style_only": bootstrap(style, qids),
        "question_only": bootstrap(np.full(len(pairs), 0.5), qids),
        "majority": bootstrap(majority, qids),
    }


def _stronger(reasonings: Sequence[Reasoning], pairs: Pairs, qids: Sequence[str]) -> dict[str, Interval]:
    """How often the model that is stronger on the whole is right here, where the rows say how strong models are."""
    strengths = [(reasonings[a].strength, reasonings[b].strength) for a, b in pairs]
    known = [a - b for a, b in strengths if a is not None and b is not None]
    return {"stronger_model_is_right": bootstrap(hits(np.asarray(known)), qids)} if len(known) == len(strengths) else {}


def style_logits(reasonings: Sequence[Reasoning], training: Pairs, tested: Pairs, rounds: int = 100) -> np.ndarray:
    """A Bradley-Terry strength per model, from the training pairs of questions that are not tested; winner minus
    loser, [n]."""
    names = sorted({reasoning.model for reasoning in reasonings})
    place = {name: index for index, name in enumerate(names)}
    model = np.asarray([place[reasoning.model] for reasoning in reasonings])
    held = {reasonings[first].qid for first, _ in tested}
    used = np.asarray([reasonings[first].qid not in held for first, _ in training])
    won, lost = model[training[used, 0]], model[training[used, 1]]
    strength = np.zeros(len(names))
    for _ in range(rounds):
        wrong = 1 / (1 + np.exp(strength[won] - strength[lost]))
        pull = np.bincount(won, wrong, len(names)) - np.bincount(lost, wrong, len(names)) - strength
        curve = (
            np.bincount(won, wrong * (1 - wrong), len(names)) + np.bincount(lost, wrong * (1 - wrong), len(names)) + 1
        )
        strength = strength + 0.5 * pull / curve
    return np.asarray(strength[model[tested[:, 0]]] - strength[model[tested[:, 1]]])
