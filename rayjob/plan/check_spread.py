"""Checks of the steps that spread labels: what would lose rows, answer them twice, or pay for nothing is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from rayjob.plan.check_asked import find_unanswered
from rayjob.plan.resolve import Resolved
from rayjob.spec.base import Problem
from rayjob.spec.load import LoadedSpec
from rayjob.spec.models import ModelSpec
from rayjob.spec.spread import AskStep, EmbedStep, RepresentStep
from rayjob.spec.yamltext import Path

#: What a step does for another, which must be there: kind → the other, and why.
NEEDS: Mapping[str, tuple[str, str]] = {
    "represent": ("ask", "represent chooses the rows that `ask` buys labels for"),
    "ask": ("propagate", "ask buys the labels that `propagate` spreads"),
}


def find_spread_problems(loaded: LoadedSpec, resolved: Resolved) -> Iterator[Problem]:
    """What is wrong with spreading. Steps are compared with one another only where all of them could be read."""
    for index, step in enumerate(loaded.job.steps):
        path, settings = loaded.step_path(index), step.settings
        if isinstance(settings, EmbedStep) and (message := _no_embedder(loaded, settings.model)):
            yield loaded.text.problem((*path, "model"), message)
        if isinstance(settings, AskStep) and settings.source != "label" and not resolved.job.taxonomy:
            message = "answers are checked against pools; give `taxonomy:`, a folder of dimensions"
            yield loaded.text.problem(path, message)
        if isinstance(settings, RepresentStep):
            yield from _represent(loaded, path, settings)
        if loaded.is_whole and step.kind in NEEDS and not loaded.job.steps_of(NEEDS[step.kind][0]):
            needed, why = NEEDS[step.kind]
            message = f"{why}, and this spec has no {needed} step; add `- {needed}: {{…}}`, or take {step.kind} out"
            yield loaded.text.problem(path, message)
    if loaded.is_whole and resolved.taxonomy.dimensions:
        yield from find_unanswered(loaded, resolved)


def _no_embedder(loaded: LoadedSpec, name: str) -> str:
    """Why a name is no embedding model; empty where it may be one."""
    written = loaded.text.at(("models",), {})
    names = list(written) if isinstance(written, dict) else []
    if name in names:
        model = loaded.job.models.get(name)
        return _cannot_embed(model) if model else ""
    same = [own for own, model in loaded.job.models.items() if model.model == name]
    if same:
        return f"'{name}' is what the model '{same[0]}' calls; write its name here: model: {same[0]}"
    if name.rpartition("/")[2].startswith("text-embedding-"):
        return f"'{name}' stands behind an API: describe it under `models`, and write its name there here"
    near = difflib.get_close_matches(name, [*names, "offline"], n=1, cutoff=0.8)
    if near and name != "offline" and "/" not in name:
        return f"no model called '{name}'; did you mean '{near[0]}'? (sentence-transformers: ORGANISATION/{name})"
    return ""


def _cannot_embed(model: ModelSpec) -> str:
    """Why a model of the spec cannot embed; empty where it may."""
    if model.is_offline:
        return f"{model.model} ranks tags and does not embed; give 'offline' for the network that comes with rayjob"
    return "embedding goes call by call; take `mode: batch` off the model" if model.mode == "batch" else ""


def _represent(loaded: LoadedSpec, path: Path, settings: RepresentStep) -> Iterator[Problem]:
    """Budgets that cannot be spent as they are written."""
    if settings.by_cluster and loaded.is_whole and not loaded.job.steps_of("cluster"):
        message = "there are no clusters to share the budget among; add a cluster step, or take by_cluster out"
        yield loaded.text.problem((*path, "by_cluster"), message)
    if settings.audit_share == 0:
        message = "found 0; without audit rows no label is ever accepted; accepted: more than 0, at most 1"
        yield loaded.text.problem((*path, "audit_share"), message)
    left, rounds = _representatives(settings), settings.rounds or 1
    most = rounds if left is None else 1 + left // 2
    if rounds > most:
        message = (
            f"found {rounds}; the first round buys half of the representatives, each other one or more, and budget and "
            f"audit_share leave {left} of them; accepted: at most {most}; or raise the budget"
        )
        yield loaded.text.problem((*path, "rounds"), message)


def _representatives(settings: RepresentStep) -> int | None:
    """Labels beside the audit; None where that depends on the rows. (A default audit is never more than half.)"""
    if settings.budget < 1:
        return 0 if settings.audit_share == 1 else None
    labels, share = int(settings.budget), settings.audit_share
    return labels - (labels // 2 if share is None else round(labels * share))
