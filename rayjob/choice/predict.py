"""Judges reasonings with a trained network: the winner, how sure, and why; abstains below the confidence a
precision needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from rayjob.choice import siblings as sib
from rayjob.choice.data import Reasoning, read_reasonings
from rayjob.choice.errors import ChoiceError
from rayjob.choice.model_file import load_model
from rayjob.choice.table import FeatureTable, build_table, feature_names


@dataclass(frozen=True, slots=True)
class Verdict:
    """The place of the better candidate, the probability that it beats the runner-up, the ranking, and what decided."""

    winner: int
    confidence: float
    ranking: tuple[int, ...]
    scores: tuple[float, ...]
    why: tuple[str, ...]


class ChoiceModel:
    """A trained classifier. `judge` takes the candidates of many questions at once and returns a verdict for each."""

    def __init__(self, data: bytes, device: str = "cpu") -> None:
        """Raises ChoiceError for a pickle, for another file, and for features this version does not compute."""
        self.network, self.info = load_model(data)
        if self.info.features != feature_names():
            raise ChoiceError("the model was trained on other features than this version computes: train it again")
        self.device = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.network.to(self.device)

    def threshold(self, precision: float) -> float:
        """The confidence to abstain below so that the choices made are right with `precision`, by the held-out pairs.

        Raises ChoiceError where no confidence keeps it.
        """
        held = np.asarray(self.info.held)
        found = threshold_for(precision, 1 / (1 + np.exp(-np.abs(held))), (held > 0).astype(np.float64))
        if found is None:
            raise ChoiceError(
                f"precision: {precision} is not reached at any confidence on the model's {len(held)} held-out pairs; "
                "ask for less, or train on more"
            )
        return found

    def scores(self, reasonings: Sequence[Reasoning]) -> npt.NDArray[np.float64]:
        """Calibrated Bradley-Terry scores, [n]. Raises ChoiceError for vectors of another dimension than the
        model's."""
        return self.score_table(build_table(reasonings))

    def score_table(self, table: FeatureTable) -> npt.NDArray[np.float64]:
        if table.vectors.shape[1] != self.info.vectors:
            raise ChoiceError(
                f"vectors of dimension {table.vectors.shape[1]}, the model was trained with "
                f"{self.info.vectors}: embed with the same model"
            )
        x = torch.from_numpy(np.concatenate([table.values, table.vectors], axis=1)).to(self.device)
        with torch.no_grad():
            return np.asarray(self.network(x).double().cpu().numpy())

    def judge(self, groups: Sequence[Sequence[Reasoning]]) -> list[Verdict]:
        """One verdict per group of two or more candidates of one question; their siblings' answers, where given,
        count too."""
        if any(len(group) < 2 for group in groups):
            raise ChoiceError(
                "a single candidate cannot be compared: give two or more, or sampled siblings to judge it against"
            )
        flat = [reasoning for group in groups for reasoning in group]
        table = build_table(flat)
        scores = self.score_table(table)
        found, start = [], 0
        for group in groups:
            stop = start + len(group)
            found.append(self._verdict(group, scores[start:stop], table.values[start:stop]))
            start = stop
        return found

    def judge_rows(self, groups: Sequence[Sequence[Mapping[str, object]]]) -> list[Verdict]:
        """`judge` for rows {question, reasoning, answer, siblings?}: what `rayjob.steps.choose` calls."""
        flat = [row for group in groups for row in group]
        read = iter(read_reasonings(flat, judged=False) if flat else ())
        return self.judge([[next(read) for _ in group] for group in groups])

    def _verdict(
        self, group: Sequence[Reasoning], scores: npt.NDArray[np.float64], values: npt.NDArray[np.float32]
    ) -> Verdict:
        evidence = _evidence(group)
        if any(evidence):
            own, others = self.info.sibling_weights if self.info.sibling_weights[1] else (1.0, 1.0)
            scores = own * scores + others * np.asarray(evidence)
        order = np.argsort(-scores, kind="stable")
        best, second = int(order[0]), int(order[1])
        confidence = 1 / (1 + math.exp(-min(50.0, float(scores[best] - scores[second]))))
        why = self._why(values[best], values[second]) + (("siblings",) if evidence[best] != evidence[second] else ())
        return Verdict(best, confidence, tuple(int(i) for i in order), tuple(float(s) for s in scores), why)

    def _why(self, best: npt.NDArray[np.float32], second: npt.NDArray[np.float32], count: int = 3) -> tuple[str, ...]:
        """The features that decided: what the log-odds lose when a feature of the winner is set to the runner-up's."""
        changed = np.flatnonzero(best != second)
        if not len(changed):
            return ()
        rows = np.repeat(best[None], len(changed) + 1, axis=0)
        rows[np.arange(len(changed)), changed] = second[changed]
        rows = np.concatenate([rows, np.zeros((len(rows), self.info.vectors), np.float32)], axis=1)
        with torch.no_grad():
            scores = self.network(torch.from_numpy(rows).to(self.device)).double().cpu().numpy()
        lost = scores[-1] - scores[:-1]
        top = [i for i in np.argsort(-lost, kind="stable")[:count] if lost[i] > 0]
        return tuple(
            f"{self.info.features[changed[i]]} {best[changed[i]]:.3g} against {second[changed[i]]:.3g}" for i in top
        )


def _evidence(group: Sequence[Reasoning]) -> list[float]:
    drawn = [answer for reasoning in group for answer in reasoning.siblings]
    return sib.sibling_evidence([reasoning.answer for reasoning in group], drawn)


def threshold_for(
    precision: float, confidences: npt.NDArray[np.float64], right: npt.NDArray[np.float64], level: float = 0.95
) -> float | None:
    """The lowest confidence above which the one-sided Clopper-Pearson bound on precision reaches `precision`; None:
    nowhere.

    Clopper and Pearson 1934. `right` is 1 or 0 per judged pair of a sample that the model has not seen.
    """
    from scipy.stats import beta

    order = np.argsort(-confidences, kind="stable")
    n, k = np.arange(1, len(order) + 1), np.cumsum(right[order] >= 1)
    bound = np.where(k > 0, beta.ppf(1 - level, np.maximum(k, 1e-9), n - k + 1), 0.0)
    held = np.flatnonzero(bound >= precision)
    return float(confidences[order[held[-1]]]) if len(held) else None
