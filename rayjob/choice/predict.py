"""Judges reasonings with a trained network: the winner, how sure, and why; abstains below the confidence a
precision needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from rayjob.choice import siblings as sib
from rayjob.choice.data import Reasoning, read_reasonings
from rayjob.choice.dual import Dual, load_dual
from rayjob.choice.errors import ChoiceError
from rayjob.choice.judges import DualJudge, Judge, SymmetricJudge, Vectors
from rayjob.choice.model_file import ENCODER, ModelInfo, load_model, refuse_pickle
from rayjob.choice.network import LEAST_UNIT, Member, Symmetric
from rayjob.choice.table import FeatureTable, build_table, feature_names
from rayjob.choice.text_scorer import TextScores, load_scorer


class Verdict(NamedTuple):
    """The place of the better candidate, the probability that it beats the runner-up, the ranking, and what decided."""

    winner: int
    confidence: float
    ranking: tuple[int, ...]
    scores: tuple[float, ...]
    why: tuple[str, ...]


#: Features that say what decided, and how many are tried for that.
REASONS, TRIED = 3, 12


class ChoiceModel:
    """A trained classifier. `judge` takes the candidates of many questions at once and returns a verdict for each."""

    def __init__(
        self,
        data: bytes,
        device: str = "cpu",
        architecture: str | None = None,
        beside: Callable[[str], bytes] | None = None,
    ) -> None:
        """`architecture: dual` reads the original's published .pth too, tensors only. `beside` reads files that lie
        beside the weights: a fine-tuned encoder.

        Raises ChoiceError for a pickle, for another file, and for features this version does not compute.
        """
        published = architecture == "dual" and data.startswith(b"PK")
        network, self.info = load_published(data) if published else load_model(data)
        found = "symmetric" if isinstance(network, Symmetric) else "dual"
        if architecture not in (None, found):
            raise ChoiceError(f"these are weights of architecture {found}, and the spec says {architecture}")
        self.device = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        network.to(self.device)
        self.reads_features = isinstance(network, Symmetric)
        self.ranks: Judge
        if isinstance(network, Symmetric):
            if self.info.features != feature_names():
                raise ChoiceError("the model was trained on other features than this version computes: train it again")
            self.lines = line_weights(network)
            self.ranks = SymmetricJudge(network, self.device, *self._text(beside))
        else:
            vectors = Vectors(self.info.encoder, self.info.vectors, self.device)
            self.ranks = DualJudge(network, vectors, self.info.temperature)
        self.network = network

    def _text(self, beside: Callable[[str], bytes] | None) -> tuple[TextScores | None, tuple[float, float]]:
        part = self.info.text
        if part is None:
            return None, (1.0, 0.0)
        if beside is None:
            raise ChoiceError(f"these weights belong with {ENCODER}, which lies beside them: give the folder of both")
        data = beside(ENCODER)
        refuse_pickle(data)
        return load_scorer(data, part.encoder, part.max_tokens, self.device), part.weights

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

    def judge(self, groups: Sequence[Sequence[Reasoning]], reasons: int = REASONS) -> list[Verdict]:
        """One verdict per group of two or more candidates of one question; their siblings' answers, where given,
        count too. `reasons`: at most so many features say what decided."""
        if any(len(group) < 2 for group in groups):
            raise ChoiceError(
                "a single candidate cannot be compared: give two or more, or sampled siblings to judge it against"
            )
        flat = [reasoning for group in groups for reasoning in group]
        return self.judge_table(groups, self._table(flat) if self.reads_features else None, reasons)

    def judge_table(
        self, groups: Sequence[Sequence[Reasoning]], table: FeatureTable | None, reasons: int = REASONS
    ) -> list[Verdict]:
        """The same with the features of all candidates, in order, computed before."""
        flat = [reasoning for group in groups for reasoning in group]
        sizes = np.asarray([len(group) for group in groups], dtype=np.int64)
        scores = self.ranks.group_scores(flat, sizes.tolist(), table)
        starts = np.cumsum(sizes) - sizes
        decided = self._add_siblings(groups, scores, starts)
        found = verdicts(scores, starts, sizes)
        if table is not None and reasons and found:
            ends = starts[:, None] + np.asarray([verdict.ranking[:2] for verdict in found])
            told = self._why(table.values, ends, reasons)
            found = [verdict._replace(why=why) for verdict, why in zip(found, told, strict=True)]
        for place, evidence in decided.items():
            best, second = found[place].ranking[:2]
            if evidence[best] != evidence[second]:
                found[place] = found[place]._replace(why=(*found[place].why, "siblings"))
        return found

    def _add_siblings(
        self,
        groups: Sequence[Sequence[Reasoning]],
        scores: npt.NDArray[np.float64],
        starts: npt.NDArray[np.int64],
    ) -> dict[int, list[float]]:
        """Adds siblings' evidence to the scores of groups that have any; it, by the place of the group."""
        own, others = self.info.sibling_weights if self.info.sibling_weights[1] else (1.0, 1.0)
        found: dict[int, list[float]] = {}
        for place, group in enumerate(groups):
            if any(reasoning.siblings for reasoning in group):
                evidence = _evidence(group, self.info.sibling_reliability)
                if any(evidence):
                    part = slice(starts[place], starts[place] + len(group))
                    scores[part] = own * scores[part] + others * np.asarray(evidence)
                    found[place] = evidence
        return found

    def _table(self, reasonings: Sequence[Reasoning]) -> FeatureTable:
        table = build_table(reasonings)
        if table.vectors.shape[1] != self.info.vectors:
            raise ChoiceError(
                f"vectors of dimension {table.vectors.shape[1]}, the model was trained with "
                f"{self.info.vectors}: embed with the same model"
            )
        return table

    def judge_rows(self, groups: Sequence[Sequence[Mapping[str, object]]], reasons: int = REASONS) -> list[Verdict]:
        """`judge` for rows {question, reasoning, answer, siblings?}: what `rayjob.steps.choose` calls."""
        flat = [row for group in groups for row in group]
        read = iter(read_reasonings(flat, judged=False) if flat else ())
        return self.judge([[next(read) for _ in group] for group in groups], reasons)

    def _why(self, values: npt.NDArray[np.float32], ends: npt.NDArray[np.int64], count: int) -> list[tuple[str, ...]]:
        """The features that decided, of every (winner, runner-up) in `ends`: what the log-odds lose when a feature of
        the winner is set to the runner-up's, for the features that the lines weigh most."""
        assert isinstance(self.network, Symmetric)
        best, second = values[ends[:, 0]], values[ends[:, 1]]
        tried = np.argsort(-np.abs((best - second) * self.lines[: values.shape[1]]), axis=1)[:, :TRIED]
        rows = np.repeat(best[:, None], tried.shape[1] + 1, axis=1)
        for place in range(tried.shape[1]):
            at = np.arange(len(best)), tried[:, place]
            rows[at[0], place, at[1]] = second[at]
        flat = rows.reshape(-1, values.shape[1])
        flat = np.concatenate([flat, np.zeros((len(flat), self.info.vectors), np.float32)], axis=1)
        with torch.no_grad():
            scores = self.network(torch.from_numpy(flat).to(self.device)).double().cpu().numpy().reshape(len(best), -1)
        return [
            self._names(*part, count) for part in zip(best, second, tried, scores[:, -1:] - scores[:, :-1], strict=True)
        ]

    def _names(
        self,
        best: npt.NDArray[np.float32],
        second: npt.NDArray[np.float32],
        tried: npt.NDArray[np.int64],
        lost: npt.NDArray[np.float64],
        count: int,
    ) -> tuple[str, ...]:
        top = [place for place in np.argsort(-lost, kind="stable")[:count] if lost[place] > 0]
        return tuple(f"{self.info.features[n]} {best[n]:.3g} against {second[n]:.3g}" for n in tried[top])


def verdicts(
    scores: npt.NDArray[np.float64], starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> list[Verdict]:
    """Ranking and confidence of every group, whose scores stand one behind the other; all groups of a size at once."""
    found: list[Verdict] = [Verdict(0, 0.5, (), (), ())] * len(sizes)
    for size in np.unique(sizes).tolist():
        groups = np.flatnonzero(sizes == size)
        table = scores[starts[groups][:, None] + np.arange(size)]
        order = np.argsort(-table, axis=1, kind="stable")
        ends = np.take_along_axis(table, order[:, :2], axis=1)
        sure = 1 / (1 + np.exp(-np.minimum(50.0, ends[:, 0] - ends[:, 1])))
        for place, ranking, row, confidence in zip(
            groups.tolist(), order.tolist(), table.tolist(), sure.tolist(), strict=True
        ):
            found[place] = Verdict(ranking[0], confidence, tuple(ranking), tuple(row), ())
    return found


def line_weights(network: Symmetric) -> npt.NDArray[np.float64]:
    """What one unit of each feature adds to the members' linear scores, on average: [features + vectors]."""
    units = [
        member.line * member.mask * member.rates[2] / member.scale.clamp(min=LEAST_UNIT)
        for member in network.members
        if isinstance(member, Member)
    ]
    return np.asarray(torch.stack(units).mean(dim=0).double().cpu().numpy())


def load_published(data: bytes) -> tuple[Dual, ModelInfo]:
    """The original's .pth, tensors only, with nothing known beside it. Raises ChoiceError for anything else."""
    network = load_dual(data)
    return network, ModelInfo((), network.dimension, (1.0, 0.0))


def _evidence(group: Sequence[Reasoning], reliable: float) -> list[float]:
    drawn = [answer for reasoning in group for answer in reasoning.siblings]
    return sib.sibling_evidence([reasoning.answer for reasoning in group], drawn, reliability={sib.ANONYMOUS: reliable})


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
    ranked = confidences[order]
    is_last = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]  # of equal confidences all are accepted, or none
    held = np.flatnonzero((bound >= precision) & is_last)
    return float(confidences[order[held[-1]]]) if len(held) else None
