"""Guards against artefacts: what a trained model does when what should not matter changes. A model that fails one
says so in its card."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from rayjob.choice.data import Pairs, Reasoning
from rayjob.choice.judges import Judge
from rayjob.choice.scores import Scores, hits

Array = npt.NDArray[np.float64]
EVALUATIVE = re.compile(
    r"\b(?:correct(?:ly)?|incorrect(?:ly)?|right|wrong|clear(?:ly)?|obvious(?:ly)?|certain(?:ly)?|definite(?:ly)?|verif\w+|valid|invalid|"
    r"accurate(?:ly)?|mistake\w*|error\w*|flaw\w*|excellent|perfect(?:ly)?|sound|rigorous|proper(?:ly)?|true|false|confident(?:ly)?)\b",
    re.IGNORECASE,
)
#: How many points of accuracy a model may lose to what should not matter before the guard fails.
MAX_LOSS = 0.03
MAX_STYLE_GAP = 0.15


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: its figure, whether it held (None: not run), and what the figure means in a sentence."""

    name: str
    value: float | None
    passed: bool | None
    says: str

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Held:
    """Held-out pairs (winner first) of the reasonings, and the model's log-odds for them."""

    reasonings: Sequence[Reasoning]
    pairs: Pairs
    logits: Array


def run_guards(judge: Judge, held: Held, across: Mapping[str, Scores] | None = None) -> tuple[Guard, ...]:
    """All guards of a trained model on pairs it never saw."""
    return (
        _swap(judge, held), _length(held), _style(held), *_text_guards(judge, held), _cross_domain(across or {}),
    )  # fmt: skip


def changed_logits(judge: Judge, held: Held, change: Callable[[int, Reasoning], Reasoning]) -> Array:
    """Log-odds of the held-out pairs after every reasoning in them was changed."""
    used, places = np.unique(held.pairs, return_inverse=True)
    changed = [change(int(index), held.reasonings[index]) for index in used]
    return judge.logits(changed, places.reshape(held.pairs.shape))


def _swap(judge: Judge, held: Held) -> Guard:
    forward, swapped = judge.one_way(held.reasonings, held.pairs), judge.one_way(held.reasonings, held.pairs[:, ::-1])
    if judge.mirrors:
        share = float((swapped == -forward).mean())
        says = f"{100 * share:.1f} % of answers mirror exactly when the two reasonings are swapped"
        return Guard("swap", share, share == 1.0, says)
    share = float((np.sign(swapped) == -np.sign(forward)).mean())
    first = np.random.default_rng(0).random(len(forward)) < 0.5
    once = float(hits(np.where(first, forward, -swapped)).mean())
    says = (
        f"{100 * share:.1f} % of answers turn round when the two reasonings are swapped; asked in one order, drawn at "
        f"random, it is right on {100 * once:.1f} % (the scores above are the mean of both orders)"
    )
    return Guard("swap", share, share == 1.0, says)


def _length(held: Held) -> Guard:
    sizes = np.asarray([len(reasoning.text) for reasoning in held.reasonings])
    longer = sizes[held.pairs[:, 0]] > sizes[held.pairs[:, 1]]
    right = hits(held.logits)
    parts = [float(right[side].mean()) if side.any() else 0.5 for side in (longer, ~longer)]
    balanced, raw = sum(parts) / 2, float(right.mean())
    says = (
        f"right on {100 * parts[0]:.1f} % where the longer is right, {100 * parts[1]:.1f} % where the "
        f"shorter is; balanced {100 * balanced:.1f} %"
    )
    return Guard("length-only", balanced, min(parts) > 0.5 and balanced > raw - MAX_LOSS, says)


def _style(held: Held) -> Guard:
    strengths = [(held.reasonings[a].strength, held.reasonings[b].strength) for a, b in held.pairs]
    if any(a is None or b is None for a, b in strengths):
        return Guard(
            "style-only", None, None, "not run: the rows do not say how strong each model is (column model_acc)"
        )
    stronger = np.asarray([a > b for a, b in strengths if a is not None and b is not None])
    right = hits(held.logits)
    parts = [float(right[side].mean()) if side.any() else 0.5 for side in (stronger, ~stronger)]
    says = (
        f"right on {100 * parts[0]:.1f} % where the stronger model is right, {100 * parts[1]:.1f} % where "
        f"the weaker one is"
    )
    return Guard("style-only", parts[1], min(parts) > 0.5 and abs(parts[0] - parts[1]) <= MAX_STYLE_GAP, says)


def _text_guards(judge: Judge, held: Held) -> tuple[Guard, ...]:
    guards = (_question_only, _shuffled, _evaluative)
    if any(held.reasonings[index].vector for index in np.unique(held.pairs)):
        says = "not run: the rows bring their vectors, and a changed text has none"
        return tuple(Guard(name, None, None, says) for name in TEXT_GUARDS)
    return tuple(guard(judge, held) for guard in guards)


TEXT_GUARDS = ("question-only", "shuffled-steps", "evaluative-words-removed")


def _question_only(judge: Judge, held: Held) -> Guard:
    logits = changed_logits(judge, held, lambda _, reasoning: replace(reasoning, text="", answer=""))
    value = float(hits(logits).mean())
    return Guard(
        "question-only", value, value == 0.5, f"{100 * value:.1f} % from the question alone (50 is knowing nothing)"
    )


def _shuffled(judge: Judge, held: Held) -> Guard:
    shuffled = changed_logits(
        judge, held, lambda index, reasoning: replace(reasoning, text=shuffle_steps(reasoning.text, index))
    )
    value = float(hits(shuffled).mean())
    lost = float(hits(held.logits).mean()) - value
    says = (
        f"{100 * value:.1f} % with the steps in random order, {100 * lost:.1f} points less: order is "
        f"{'read' if lost > 0.005 else 'NOT read'}"
    )
    return Guard("shuffled-steps", value, lost > 0.005, says)


def shuffle_steps(text: str, seed: int) -> str:
    """The text with its lines and sentences in another order."""
    parts = [part for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]
    return "\n".join(parts[place] for place in np.random.default_rng(seed).permutation(len(parts)))


def _evaluative(judge: Judge, held: Held) -> Guard:
    stripped = changed_logits(
        judge, held, lambda _, reasoning: replace(reasoning, text=EVALUATIVE.sub("", reasoning.text))
    )
    value = float(hits(stripped).mean())
    lost = float(hits(held.logits).mean()) - value
    says = f"{100 * value:.1f} % without words of judgement ({-100 * lost:+.1f} points)"
    return Guard("evaluative-words-removed", value, lost <= MAX_LOSS, says)


def _cross_domain(across: Mapping[str, Scores]) -> Guard:
    if not across:
        return Guard("cross-domain", None, None, "not run: no rows of another domain were given")
    worst = min(scores.accuracy.low for scores in across.values())
    says = "; ".join(f"{name}: {scores.accuracy}" for name, scores in sorted(across.items()))
    return Guard("cross-domain", min(scores.accuracy.value for scores in across.values()), worst > 0.5, says)
