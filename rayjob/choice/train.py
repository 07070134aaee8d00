"""Trains the symmetric classifier: seeds, folds, members, calibration, the card. Resumes from the members already
written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from rayjob.choice import siblings as sib
from rayjob.choice.answers import answer_key
from rayjob.choice.baselines import measure_baselines
from rayjob.choice.card import Card, write_markdown
from rayjob.choice.data import Pairs, Reasoning, Row, all_pairs, check_pairs, pair_weights, read_pairs, read_reasonings
from rayjob.choice.errors import ChoiceError
from rayjob.choice.fit import FitSettings, fit_member
from rayjob.choice.guards import Held, run_guards
from rayjob.choice.model_file import ModelInfo, load_model, save_model
from rayjob.choice.network import Member, Symmetric
from rayjob.choice.scores import Scores, fit_temperature, score
from rayjob.choice.split import Split, split_questions
from rayjob.choice.table import FeatureTable, build_table
from rayjob.choice.trees import PairSet

Array = npt.NDArray[np.float64]


class Files(Protocol):
    """Where training reads and writes bytes by name; `write` replaces a file in one go."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a name, None where there are none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Puts the bytes under the name."""
        ...


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Seeds give independent splits; of each split `tested` folds are held out in turn. The first is what is
    shipped."""

    seeds: tuple[int, ...] = (0, 1, 2)
    folds: int = 5
    tested: int = 1
    siblings: int = 4
    fit: FitSettings = field(default_factory=FitSettings)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that training reads: reasonings, their features, the pairs to learn from with weights, the pairs that are
    scored."""

    reasonings: Sequence[Reasoning]
    table: FeatureTable
    pairs: Pairs
    weights: Array
    scored: Pairs
    hash: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One held-out fold: the network that never saw it, and calibrated log-odds of its pairs, alone and with
    siblings."""

    network: Symmetric
    info: ModelInfo
    pairs: Pairs
    logits: Array
    with_siblings: Array | None


def read_corpus(rows: Sequence[Row], pair_rows: Sequence[Row] | None = None) -> Corpus:
    """Rows (and ready pairs, else every correct × incorrect pair) as a corpus. Raises ChoiceError before anything
    runs."""
    reasonings = read_reasonings(rows)
    pairs = all_pairs(reasonings)
    check_pairs(reasonings, pairs)
    scored = read_pairs(pair_rows, reasonings) if pair_rows is not None else pairs
    known = {(int(a), int(b)) for a, b in pairs}
    if not all((int(a), int(b)) in known for a, b in scored):
        raise ChoiceError(
            "a ready pair does not go from a correct to an incorrect reasoning of one question: check good, bad "
            "and correct"
        )
    text = json.dumps([[r.qid, r.question, r.text, r.answer, r.correct] for r in reasonings] + scored.tolist())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Corpus(reasonings, build_table(reasonings), pairs, pair_weights(reasonings, pairs), scored, digest)


def train(
    rows: Sequence[Row],
    pairs: Sequence[Row] | None,
    settings: TrainSettings,
    files: Files,
    other: dict[str, Corpus] | None = None,
) -> Card:
    """Trains, scores on held-out folds, writes model.safetensors, card.json and card.md, returns the card.

    Every member is written as soon as it is trained (members/…): killed and started again, training goes on where
    it was and
    ends with the same bytes. `other` are corpora of other domains, only scored, never trained on.
    """
    corpus = read_corpus(rows, pairs)
    outcomes = [
        run_fold(corpus, split, fold, settings, files)
        for split in (split_questions(corpus.reasonings, seed, settings.folds) for seed in settings.seeds)
        for fold in range(settings.tested)
    ]
    shipped = outcomes[0]
    card = make_card(corpus, outcomes, settings, other or {})
    files.write("model.safetensors", save_model(shipped.network, shipped.info))
    files.write("card.json", card.to_json().encode())
    files.write("card.md", write_markdown(card).encode())
    return card


def run_fold(corpus: Corpus, split: Split, fold: int, settings: TrainSettings, files: Files) -> Outcome:
    """Trains on all folds but `fold`, one member per validation fold, calibrates on the validation folds, predicts
    `fold`."""
    place = split.folds[corpus.scored[:, 0]]
    members: list[Member] = []
    valid_pairs, valid_logits = [], []
    for valid in range(split.count):
        if valid == fold:
            continue
        member = _member(corpus, split, (fold, valid), settings, files)
        pairs = corpus.scored[place == valid]
        members.append(member)
        valid_pairs.append(pairs)
        valid_logits.append(member_logits(member, corpus.table, pairs))
    network = Symmetric(members)
    network.temperature.fill_(fit_temperature(np.concatenate(valid_logits)))
    network.eval()
    tuned = np.concatenate(valid_pairs), np.concatenate(valid_logits) / float(network.temperature)
    tested = corpus.scored[place == fold]
    logits = network_logits(network, corpus.table, tested)
    weights = (1.0, 0.0)
    joint = None
    if settings.siblings and all(reasoning.siblings for reasoning in corpus.reasonings):
        weights = sib.fit_weights(tuned[1], sibling_logits(corpus.reasonings, tuned[0], settings.siblings))
        joint = weights[0] * logits + weights[1] * sibling_logits(corpus.reasonings, tested, settings.siblings)
    info = ModelInfo(
        corpus.table.names,
        corpus.table.vectors.shape[1],
        weights,
        corpus.hash,
        f"{split.hash}/{fold}",
        tuple(logits.tolist()),
    )
    return Outcome(network, info, tested, logits, joint)


def _member(corpus: Corpus, split: Split, folds: tuple[int, int], settings: TrainSettings, files: Files) -> Member:
    digest = hashlib.sha256(json.dumps([corpus.hash, split.hash, asdict(settings.fit)]).encode()).hexdigest()[:12]
    name = f"members/{digest}-seed{split.seed}-test{folds[0]}-valid{folds[1]}.safetensors"
    written = files.read(name)
    if written is not None:
        member = load_model(written)[0].members[0]
        assert isinstance(member, Member)
        return member
    in_training = ~np.isin(split.folds, folds)
    taken = in_training[corpus.pairs[:, 0]]
    valid = corpus.scored[split.folds[corpus.scored[:, 0]] == folds[1]]
    if not taken.any() or not len(valid):
        raise ChoiceError(
            f"seed {split.seed}: a fold without a pair; give more questions, or fewer folds than {split.count}"
        )
    pairs = PairSet(corpus.pairs[taken], corpus.weights[taken], valid)
    member = fit_member(
        corpus.table, np.flatnonzero(in_training), pairs, settings.fit, split.seed * 1000 + folds[0] * 100 + folds[1]
    )
    info = ModelInfo(
        corpus.table.names, corpus.table.vectors.shape[1], (1.0, 0.0), corpus.hash, f"{split.hash}/{folds[0]}"
    )
    files.write(name, save_model(Symmetric([member]), info))
    return member


def member_logits(member: torch.nn.Module, table: FeatureTable, pairs: Pairs) -> Array:
    """Log-odds of a scoring module that the first of each pair is better."""
    with torch.no_grad():
        scores = member(torch.from_numpy(np.concatenate([table.values, table.vectors], axis=1))).double().numpy()
    return np.asarray(scores[pairs[:, 0]] - scores[pairs[:, 1]], dtype=np.float64)


network_logits = member_logits


def sibling_logits(reasonings: Sequence[Reasoning], pairs: Pairs, count: int) -> Array:
    """Evidence of `count` siblings per pair for the first over the second: half from each side's list, without
    names."""
    votes = [
        sib.Vote(reasoning.qid, sib.ANONYMOUS, answer_key(answer))
        for reasoning in reasonings
        for answer in reasoning.siblings[:count]
    ]
    reliability = sib.estimate_reliability(votes)
    found = []
    for first, second in pairs:
        a, b = reasonings[first], reasonings[second]
        drawn = [*a.siblings[: (count + 1) // 2], *b.siblings[: count // 2]]
        weights = sib.sibling_evidence([a.answer, b.answer], drawn, reliability=reliability)
        found.append(weights[0] - weights[1])
    return np.asarray(found)


def pooled_scores(corpus: Corpus, outcomes: Sequence[Outcome], *, with_siblings: bool = False) -> Scores | None:
    """Scores over the held-out pairs of all outcomes; None where there are no siblings. Intervals resample
    questions."""
    logits = [outcome.with_siblings if with_siblings else outcome.logits for outcome in outcomes]
    if any(part is None for part in logits):
        return None
    pairs = np.concatenate([outcome.pairs for outcome in outcomes])
    values = np.concatenate([part for part in logits if part is not None])
    return score(values, [corpus.reasonings[a].qid for a, _ in pairs], lengths(corpus.reasonings, pairs))


def lengths(reasonings: Sequence[Reasoning], pairs: Pairs) -> Array:
    """Characters of the first minus those of the second reasoning of each pair."""
    sizes = np.asarray([len(reasoning.text) for reasoning in reasonings], dtype=np.float64)
    return sizes[pairs[:, 0]] - sizes[pairs[:, 1]]


def make_card(corpus: Corpus, outcomes: Sequence[Outcome], settings: TrainSettings, other: dict[str, Corpus]) -> Card:
    """The card of what was trained: scores, baselines on the same pairs, guards on the shipped network's held-out
    fold."""
    alone = pooled_scores(corpus, outcomes)
    assert alone is not None
    per_seed = [
        score(
            o.logits, [corpus.reasonings[a].qid for a, _ in o.pairs], lengths(corpus.reasonings, o.pairs)
        ).accuracy.value
        for o in outcomes
    ]
    shipped = outcomes[0]
    across = {name: score_corpus(shipped.network, target) for name, target in sorted(other.items())}
    held = Held(corpus.reasonings, shipped.pairs, shipped.logits)
    return Card(
        data={"reasonings": len(corpus.reasonings), "pairs": len(corpus.scored), "training_pairs": len(corpus.pairs),
              "questions": len({r.qid for r in corpus.reasonings}), "hash": corpus.hash},
        split={"seeds": list(settings.seeds), "folds": settings.folds, "tested_folds": settings.tested,
               "hashes": sorted({o.info.split.partition("/")[0] for o in outcomes})},
        settings=asdict(settings.fit),
        scores=alone, per_split=tuple(per_seed), siblings=pooled_scores(corpus, outcomes, with_siblings=True),
        sibling_count=settings.siblings,
        baselines=measure_baselines(corpus.reasonings, corpus.pairs, [o.pairs for o in outcomes]),
        across=across, temperature=float(shipped.network.temperature), guards=run_guards(shipped.network, held, across),
    )  # fmt: skip


def score_corpus(network: Symmetric, corpus: Corpus) -> Scores:
    """Scores of a network on a corpus it was not trained on."""
    logits = network_logits(network, corpus.table, corpus.scored)
    return score(
        logits, [corpus.reasonings[a].qid for a, _ in corpus.scored], lengths(corpus.reasonings, corpus.scored)
    )
