"""Data and weight files that cannot be used: a clear message, and nothing run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from safetensors.torch import save

from rayjob.choice.dual import Dual, load_dual
from rayjob.choice.errors import ChoiceError
from rayjob.choice.model_file import ModelInfo, load_model, save_model
from rayjob.choice.predict import ChoiceModel, Verdict
from rayjob.choice.train import train
from rayjob.spec.choice import ChooseStep
from rayjob.steps.choose import Choose
from tests.choice.made import QUICK, Memory, made_rows


def _one_class() -> list[dict[str, Any]]:
    return [row for row in made_rows() if row["correct"]]


def _change(index: int, **columns: object) -> list[dict[str, Any]]:
    rows = made_rows()
    rows[index] = {**rows[index], **columns}
    return rows


def _vectors(index: int, vector: list[float]) -> list[dict[str, Any]]:
    rows = [{**row, "vector": [0.0, 1.0]} for row in made_rows()]
    rows[index]["vector"] = vector
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows to read"),
        (_one_class(), "one class only"),
        ([row for row in made_rows() if not row["correct"]], "one class only"),
        (_change(3, correct=None), "row 3: correct is None"),
        ([{k: v for k, v in row.items() if k != "correct"} for row in made_rows()], "row 0: correct is None"),
        (_change(4, cot=" "), "row 4: its reasoning is empty; leave the row out"),
        (_change(4, cot=None), "row 4: its reasoning is empty"),
        (_change(5, cot="token " * 100_000), "row 5: its reasoning has 600,000 characters, and at most 200,000"),
        (_vectors(2, ["x", 1.0]), "row 2: its vector is not a list of finite numbers"),  # type: ignore[list-item]
        (_vectors(2, [float("nan"), 1.0]), "row 2: its vector is not a list of finite numbers"),
        (_vectors(2, [1.0]), "vectors of different dimension (1, 2)"),
        ([{"question": "q", "answer": "a", "correct": True}], "row 0: no column reasoning or cot"),
        (made_rows(4), "4 questions cannot be split into 3 folds"),
    ],
)
def test_rows_that_cannot_be_learnt_from(rows: list[dict[str, Any]], message: str) -> None:
    files = Memory()
    with pytest.raises(ChoiceError) as caught:
        train(rows, None, QUICK, files)
    assert message in str(caught.value)
    assert files.files == {}


def test_ready_pairs_that_are_identical_or_unknown() -> None:
    rows = made_rows()
    rows[1] = {**rows[1], "cot": rows[0]["cot"], "answer": rows[0]["answer"]}
    with pytest.raises(ChoiceError, match="both sides are the same text"):
        train(rows, [{"qid": "q0", "good": "m0", "bad": "m1"}], QUICK, Memory())
    with pytest.raises(ChoiceError, match="no reasoning of 'nobody' for question 'q0'"):
        train(rows, [{"qid": "q0", "good": "m0", "bad": "nobody"}], QUICK, Memory())


@pytest.mark.parametrize(
    ("candidates", "kind", "message"),
    [
        ([{}], "empty", "fewer than two candidates"),
        ([{}, {"reasoning": ""}], "empty", "candidate 1: its reasoning is empty"),
        ([{"reasoning": "token " * 100_000}, {}], "context", "candidate 0: its reasoning has 600,000 characters"),
        ([{"reasoning": "same"}, {"reasoning": "same"}], "empty", "the same text with the same answer"),
        ([{"vector": [float("nan")]}, {}], "unreadable", "candidate 0: its vector is not a list of finite numbers"),
        ([{"vector": [1.0]}, {"vector": [1.0, 0.0]}], "unreadable", "vectors of different dimension (1, 2)"),
    ],
)
def test_candidates_that_cannot_be_compared_fail_alone(
    candidates: list[dict[str, Any]], kind: str, message: str
) -> None:
    def judge(groups: Sequence[Sequence[dict[str, Any]]]) -> list[Verdict]:
        return [Verdict(0, 0.9, (0, 1), (1.0, 0.0), ()) for _ in groups]

    group = [{"reasoning": f"r{n}", "answer": "1", **given} for n, given in enumerate(candidates)]
    others = [{"reasoning": "a"}, {"reasoning": "b"}]
    bad, fine = Choose(ChooseStep(), judge)([{"query": "?", "candidates": two} for two in (group, others)])
    assert (bad["failure"]["kind"], message in bad["failure"]["message"]) == (kind, True)
    assert fine["labels"] == {"choice": "0"}


class Trap:
    """What a pickle can carry: code that runs when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("the pickle was run",))


def test_a_pickle_with_code_is_refused_unread() -> None:
    zipped = io.BytesIO()
    torch.save({"pos_processor.0.weight": Trap()}, zipped)
    for data in (pickle.dumps(Trap(), protocol=2), zipped.getvalue()):
        with pytest.raises(ChoiceError, match="pickle"):
            load_model(data)
        with pytest.raises(ChoiceError, match=r"not read|no state dict"):
            load_dual(data)


def test_a_model_file_whose_length_begins_as_a_pickle_is_read() -> None:
    network = Dual(3)
    files = [save_model(network, ModelInfo((), 3, (1.0, 0.0), data="x" * n)) for n in range(0, 512, 8)]
    assert [file for file in files if file.startswith(b"\x80")]
    assert all(load_model(file)[1].vectors == 3 for file in files)


@pytest.mark.parametrize("data", [b"", b"garbage", save({"a": torch.zeros(1)})])
def test_another_file_is_no_model(data: bytes) -> None:
    with pytest.raises(ChoiceError, match="not a model file"):
        load_model(data)


def test_vectors_the_model_was_not_trained_with() -> None:
    files = Memory()
    train(made_rows(), None, QUICK, files)
    model = ChoiceModel(files.files["model.safetensors"])
    rows = [{**row, "vector": [0.0, 1.0]} for row in made_rows(1)[:2]]
    with pytest.raises(ChoiceError, match="vectors of dimension 2, the model was trained with 0"):
        model.judge_rows([rows])
