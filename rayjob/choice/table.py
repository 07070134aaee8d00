"""Reasonings as a table of features, the only thing about a text that the network sees. Model names and gold never
enter it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rayjob.choice.algebra import algebra_features
from rayjob.choice.asked import asked_features
from rayjob.choice.data import Reasoning
from rayjob.choice.features import reason_features
from rayjob.choice.trace import Problem, read_problem, read_trace

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features [n, f] with their names; `vectors` [n, d] (d = 0 where rows carry none)."""

    names: tuple[str, ...]
    values: Matrix
    vectors: Matrix

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: npt.NDArray[np.int64]) -> FeatureTable:
        """The table of some rows."""
        return FeatureTable(self.names, self.values[rows], self.vectors[rows])


def describe(question: str, text: str, answer: str) -> dict[str, float]:
    """Every feature of one reasoning, by name."""
    problem = _problem(question)
    trace = read_trace(problem, text, answer)
    return {**reason_features(problem, trace), **asked_features(problem, trace), **algebra_features(trace.text)}


@lru_cache(maxsize=1024)
def _problem(question: str) -> Problem:
    return read_problem(question)


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """Names of the features, in the order of the table's columns."""
    return tuple(describe("", "", ""))


def build_table(reasonings: Sequence[Reasoning]) -> FeatureTable:
    """The feature table of the reasonings, in their order."""
    names = feature_names()
    rows = [list(describe(reasoning.question, reasoning.text, reasoning.answer).values()) for reasoning in reasonings]
    values = np.asarray(rows, dtype=np.float32).reshape(-1, len(names))
    vectors = np.asarray([reasoning.vector for reasoning in reasonings], dtype=np.float32).reshape(len(reasonings), -1)
    return FeatureTable(names, values, vectors)
