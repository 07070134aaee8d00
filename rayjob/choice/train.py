"""Trains a classifier: every seed and fold, what is shipped, its card. Resumes from the members already written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from rayjob.choice.baselines import measure_baselines
from rayjob.choice.card import Card, write_markdown
from rayjob.choice.corpus import Corpus, read_corpus, score_pairs
from rayjob.choice.data import Row
from rayjob.choice.errors import ChoiceError
from rayjob.choice.fold import Files, Outcome, TrainSettings, reasoning_vectors, run_fold
from rayjob.choice.guards import Held, run_guards
from rayjob.choice.judges import DualJudge, Judge, SymmetricJudge
from rayjob.choice.scores import Scores
from rayjob.choice.split import split_questions


def train(
    rows: Sequence[Row],
    pairs: Sequence[Row] | None,
    settings: TrainSettings,
    files: Files,
    other: Mapping[str, Corpus] | None = None,
) -> Card:
    """Trains, scores on held-out folds, writes model.safetensors (and encoder.safetensors where one was tuned),
    card.json and card.md, returns the card.

    Every member is written as soon as it is trained (members/…): killed and started again, training goes on where
    it was and ends with the same bytes. `other` are corpora of other domains, only scored, never trained on.
    """
    if settings.tune is not None and settings.architecture == "dual":
        raise ChoiceError("finetune belongs to architecture symmetric: the original's network reads fixed vectors")
    corpus = read_corpus(rows, pairs)
    vectors = reasoning_vectors(corpus, settings.encoder) if settings.architecture == "dual" else None
    outcomes = [
        run_fold(corpus, split, fold, settings, files, vectors)
        for split in (split_questions(corpus.reasonings, seed, settings.folds) for seed in settings.seeds)
        for fold in range(settings.tested)
    ]
    card = make_card(corpus, outcomes, settings, other or {})
    for name, data in outcomes[0].files().items():
        files.write(name, data)
    files.write("card.json", card.to_json().encode())
    files.write("card.md", write_markdown(card).encode())
    return card


def pooled_scores(corpus: Corpus, outcomes: Sequence[Outcome], *, with_siblings: bool = False) -> Scores | None:
    """Scores over the held-out pairs of all outcomes; None where there are no siblings. Intervals resample
    questions."""
    logits = [outcome.with_siblings if with_siblings else outcome.logits for outcome in outcomes]
    if any(part is None for part in logits):
        return None
    pairs = np.concatenate([outcome.pairs for outcome in outcomes])
    return score_pairs(corpus.reasonings, pairs, np.concatenate([part for part in logits if part is not None]))


def make_card(
    corpus: Corpus, outcomes: Sequence[Outcome], settings: TrainSettings, other: Mapping[str, Corpus]
) -> Card:
    """The card of what was trained: scores, baselines on the same pairs, guards on the shipped network's held-out
    fold."""
    alone = pooled_scores(corpus, outcomes)
    assert alone is not None
    shipped = outcomes[0]
    across = {name: score_corpus(shipped.judge, target) for name, target in sorted(other.items())}
    held = Held(corpus.reasonings, shipped.pairs, shipped.logits)
    return Card(
        architecture=settings.architecture,
        data={"reasonings": len(corpus.reasonings), "pairs": len(corpus.scored), "training_pairs": len(corpus.pairs),
              "questions": len({r.qid for r in corpus.reasonings}), "hash": corpus.hash},
        split={"seeds": list(settings.seeds), "folds": settings.folds, "tested_folds": settings.tested,
               "hashes": sorted({o.info.split.partition("/")[0] for o in outcomes})},
        settings=asdict(settings.fit), finetune=shipped.notes, encoder=shipped.info.encoder,
        scores=alone,
        per_split=tuple(score_pairs(corpus.reasonings, o.pairs, o.logits).accuracy.value for o in outcomes),
        siblings=pooled_scores(corpus, outcomes, with_siblings=True), sibling_count=settings.siblings,
        baselines=measure_baselines(corpus.reasonings, corpus.pairs, [o.pairs for o in outcomes]),
        across=across, temperature=temperature_of(shipped.judge), guards=run_guards(shipped.judge, held, across),
    )  # fmt: skip


def temperature_of(judge: Judge) -> float:
    """What the log-odds of the network were divided by."""
    assert isinstance(judge, SymmetricJudge | DualJudge)
    return judge.temperature if isinstance(judge, DualJudge) else float(judge.network.temperature)


def score_corpus(judge: Judge, corpus: Corpus) -> Scores:
    """Scores of a judge on a corpus it was not trained on."""
    return score_pairs(corpus.reasonings, corpus.scored, judge.logits(corpus.reasonings, corpus.scored, corpus.table))
