"""One held-out fold: what is trained on the others, calibrated on validation folds, and how it judges the held-out
pairs. Members already written are read, not trained again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rayjob.choice import siblings as sib
from rayjob.choice.corpus import Corpus, sibling_logits, sibling_reliability
from rayjob.choice.data import Pairs
from rayjob.choice.dual import Dual, train_dual
from rayjob.choice.embedder import OFFLINE
from rayjob.choice.errors import ChoiceError
from rayjob.choice.finetune import TuneSettings, blend, fine_tune, pair_differences
from rayjob.choice.fit import FitSettings, fit_member
from rayjob.choice.judges import DualJudge, Judge, SymmetricJudge, Vectors
from rayjob.choice.linear import choose_penalty
from rayjob.choice.model_file import ENCODER, MODEL, ModelInfo, TextPart, load_model, save_model
from rayjob.choice.network import CLIP, LEAST_UNIT, Member, Symmetric
from rayjob.choice.scores import fit_temperature
from rayjob.choice.split import Split
from rayjob.choice.text_scorer import TextScores, load_scorer, place_of, save_scorer
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
    architecture: Literal["symmetric", "dual"] = "symmetric"
    encoder: str = OFFLINE
    tune: TuneSettings | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One held-out fold: the judge that never saw it, and calibrated log-odds of its pairs, alone and with
    siblings."""

    judge: Judge
    info: ModelInfo
    pairs: Pairs
    logits: Array
    with_siblings: Array | None
    notes: Mapping[str, object] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """What is shipped, by name."""
        assert isinstance(self.judge, SymmetricJudge | DualJudge)
        found = {MODEL: save_model(self.judge.network, self.info)}
        if isinstance(self.judge, SymmetricJudge) and self.judge.text is not None:
            found[ENCODER] = save_scorer(self.judge.text.scorer)
        return found


@dataclass(frozen=True, slots=True)
class Fold:
    """What is being trained: a corpus, its split, and the fold that is held out."""

    corpus: Corpus
    split: Split
    held: int
    settings: TrainSettings
    files: Files

    def scored(self, fold: int) -> Pairs:
        """The scored pairs of a fold."""
        scored = self.corpus.scored
        return np.asarray(scored[self.split.folds[scored[:, 0]] == fold])

    def pairs(self, valid: int) -> PairSet:
        """Training pairs of all folds but the held-out and the validation fold. Raises ChoiceError for an empty
        one."""
        taken = self.training_rows(valid)[self.corpus.pairs[:, 0]]
        checked = self.scored(valid)
        if not taken.any() or not len(checked) or not len(self.scored(self.held)):
            raise ChoiceError(
                f"seed {self.split.seed}: a fold without a pair; give more questions, or fewer folds than "
                f"{self.split.count}"
            )
        return PairSet(self.corpus.pairs[taken], self.corpus.weights[taken], checked)

    def training_rows(self, valid: int) -> npt.NDArray[np.bool_]:
        """Which reasonings may be learnt from."""
        return ~np.isin(self.split.folds, (self.held, valid))

    def seed(self, valid: int) -> int:
        """A seed of its own for every member."""
        return self.split.seed * 1000 + self.held * 100 + valid

    def name(self, valid: int, what: str, settings: object) -> str:
        """The file of a part of this fold; other data or other settings have another name."""
        text = json.dumps([self.corpus.hash, self.split.hash, settings])
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"members/{digest}-seed{self.split.seed}-test{self.held}-valid{valid}{what}.safetensors"

    def info(self, **more: object) -> ModelInfo:
        """The description of a model of this fold."""
        table = self.corpus.table
        base = ModelInfo(table.names, table.vectors.shape[1], (1.0, 0.0), self.corpus.hash, "")
        return ModelInfo(**{**_fields(base), "split": f"{self.split.hash}/{self.held}", **more})  # type: ignore[arg-type]


def _fields(info: ModelInfo) -> dict[str, object]:
    return {name: getattr(info, name) for name in info.__slots__}


def run_fold(
    corpus: Corpus, split: Split, fold: int, settings: TrainSettings, files: Files, vectors: Vectors | None = None
) -> Outcome:
    """Trains on all folds but `fold`, calibrates on validation folds, predicts `fold`."""
    work = Fold(corpus, split, fold, settings, files)
    if settings.architecture == "dual":
        return _run_dual(work, vectors or reasoning_vectors(corpus, settings.encoder))
    judge, tuned_pairs, tuned = _train_symmetric(work)
    notes: Mapping[str, object] = {}
    text: TextPart | None = None
    if settings.tune is not None:
        judge, tuned_pairs, tuned, notes = _add_text(work, judge, (tuned_pairs, tuned), settings.tune)
        text = TextPart(settings.tune.encoder, settings.tune.max_tokens, judge.weights)
    return _judged(work, judge, (tuned_pairs, tuned), notes, text=text)


def reasoning_vectors(corpus: Corpus, encoder: str) -> Vectors:
    """The rows' own vectors where they carry any, else those of an encoder."""
    given = corpus.table.vectors.shape[1]
    return Vectors("" if given else encoder, given)


def _judged(
    work: Fold, judge: Judge, tuned: tuple[Pairs, Array], notes: Mapping[str, object], **more: object
) -> Outcome:
    """The held-out pairs, judged; `tuned` are validation pairs with log-odds, which say what siblings weigh."""
    corpus, count = work.corpus, work.settings.siblings
    tested = work.scored(work.held)
    logits = judge.logits(corpus.reasonings, tested, corpus.table)
    weights, joint = (1.0, 0.0), None
    reliable = sib.PRIOR
    if count and corpus.has_siblings:
        weights = sib.fit_weights(tuned[1], sibling_logits(corpus.reasonings, tuned[0], count))
        reliable = sibling_reliability(corpus.reasonings, count).get(sib.ANONYMOUS, sib.PRIOR)
        joint = weights[0] * logits + weights[1] * sibling_logits(corpus.reasonings, tested, count)
    info = work.info(sibling_weights=weights, sibling_reliability=reliable, held=tuple(logits.tolist()), **more)
    return Outcome(judge, info, tested, logits, joint, notes)


def _train_symmetric(work: Fold) -> tuple[SymmetricJudge, Pairs, Array]:
    """One member per validation fold, one temperature on all of these; with the calibrated validation log-odds."""
    members: list[Member] = []
    pairs, logits = [], []
    penalty = cache(lambda: _penalty(work))
    for valid in _validation(work):
        members.append(_member(work, valid, penalty))
        pairs.append(work.scored(valid))
        logits.append(SymmetricJudge(Symmetric([members[-1]])).logits((), pairs[-1], work.corpus.table))
    network = Symmetric(members)
    network.temperature.fill_(fit_temperature(np.concatenate(logits)))
    network.eval()
    return SymmetricJudge(network), np.concatenate(pairs), np.concatenate(logits) / float(network.temperature)


def _validation(work: Fold) -> list[int]:
    return [fold for fold in range(work.split.count) if fold != work.held]


def _penalty(work: Fold) -> float:
    """The line's penalty, by all questions but the held-out ones."""
    corpus = work.corpus
    folds = np.where(work.split.folds == work.held, -1, work.split.folds)
    x = np.concatenate([corpus.table.values, corpus.table.vectors], axis=1)
    unit = np.maximum(x[folds >= 0].std(axis=0), LEAST_UNIT)
    values = np.asarray((x - x[folds >= 0].mean(axis=0)) / unit, dtype=np.float64).clip(-2 * CLIP, 2 * CLIP)
    return choose_penalty(values, (corpus.pairs, corpus.weights), corpus.scored, folds)


def _member(work: Fold, valid: int, penalty: Callable[[], float]) -> Member:
    name = work.name(valid, "", asdict(work.settings.fit))
    written = work.files.read(name)
    if written is not None:
        network = load_model(written)[0]
        assert isinstance(network, Symmetric)
        member = network.members[0]
        assert isinstance(member, Member)
        return member
    rows = np.flatnonzero(work.training_rows(valid))
    pairs = work.pairs(valid)
    member = fit_member(work.corpus.table, rows, pairs, work.settings.fit, work.seed(valid), penalty())
    work.files.write(name, save_model(Symmetric([member]), work.info()))
    return member


def _add_text(
    work: Fold, judge: SymmetricJudge, tuned: tuple[Pairs, Array], tune: TuneSettings
) -> tuple[SymmetricJudge, Pairs, Array, dict[str, object]]:
    """A fine-tuned encoder beside the members; one validation fold stops it and says what the two weigh."""
    valid = _validation(work)[0]
    text, notes = _tuned_text(work, valid, tune)
    pairs = work.scored(valid)
    # The first validation fold stands first in what was tuned: those log-odds are of the member that never saw it.
    own = tuned[1][: len(pairs)]
    used, places = np.unique(pairs, return_inverse=True)
    found = text([work.corpus.reasonings[index] for index in used])
    other = pair_differences(found, places.reshape(pairs.shape))
    weights = blend(own, other)
    notes |= {"weights": [round(value, 4) for value in weights]}
    joined = SymmetricJudge(judge.network, judge.device, text, weights)
    return joined, pairs, weights[0] * own + weights[1] * other, notes


def _tuned_text(work: Fold, valid: int, tune: TuneSettings) -> tuple[TextScores, dict[str, object]]:
    """The encoder, tuned or read; what was done stands in a file beside it."""
    name = work.name(valid, "-text", asdict(tune))
    device = place_of(tune.device)
    written, said = work.files.read(name), work.files.read(f"{name}.json")
    if written is not None and said is not None:
        return load_scorer(written, tune.encoder, tune.max_tokens, device), json.loads(said)
    found = fine_tune(work.corpus.reasonings, work.pairs(valid), tune, work.seed(valid))
    notes = {**asdict(tune), "device": device, "validation_losses": [round(loss, 5) for loss in found.losses],
             "epoch_kept": found.kept}  # fmt: skip
    work.files.write(name, save_scorer(found.text.scorer))
    work.files.write(f"{name}.json", json.dumps(notes, sort_keys=True).encode())
    return found.text, notes


def _run_dual(work: Fold, vectors: Vectors) -> Outcome:
    valid = _validation(work)[0]
    x = vectors(work.corpus.reasonings)
    name = work.name(valid, "-dual", [work.settings.fit.epochs, vectors.encoder])
    written = work.files.read(name)
    network = load_model(written)[0] if written is not None else None
    if network is None:
        network = train_dual(x, work.pairs(valid), epochs=work.settings.fit.epochs, seed=work.seed(valid))
        work.files.write(name, save_model(network, work.info(features=(), vectors=x.shape[1])))
    assert isinstance(network, Dual)
    vectors.dimension = x.shape[1]
    judge, pairs = DualJudge(network, vectors), work.scored(valid)
    logits = judge.logits(work.corpus.reasonings, pairs)
    judge.temperature = fit_temperature(logits)
    about = {"features": (), "vectors": x.shape[1], "encoder": vectors.encoder, "temperature": judge.temperature}
    return _judged(work, judge, (pairs, logits / judge.temperature), {}, **about)
