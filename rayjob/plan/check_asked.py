"""Checks who answers for which dimension of a spread: `ask` for the chosen rows, label steps for what is left open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rayjob.plan.resolve import Resolved
from rayjob.spec.base import Problem
from rayjob.spec.label import LabelStep
from rayjob.spec.load import LoadedSpec
from rayjob.spec.model import Step
from rayjob.spec.spread import AskStep, PropagateStep
from rayjob.spec.wording import list_some
from rayjob.spec.yamltext import Path

#: Where something is wrong, and what.
Found = Iterator[tuple[Path, str]]
#: Dimensions, each with where it is named.
Named = Mapping[str, Path]


def find_unanswered(loaded: LoadedSpec, resolved: Resolved) -> Iterator[Problem]:
    """Dimensions that somebody has to answer for and nobody does, or whose answers nobody takes."""
    first = {step.kind: index for index, step in reversed(list(enumerate(loaded.job.steps)))}
    if "ask" not in first or "propagate" not in first:
        return
    step, spread = loaded.job.steps[first["ask"]], loaded.job.steps[first["propagate"]].settings
    assert isinstance(step.settings, AskStep)
    assert isinstance(spread, PropagateStep)
    source, have = step.settings.source, resolved.taxonomy.dimensions
    labelled = {name: path for name, path in _labelled(loaded) if name in have}
    asked = {name: path for name, path in _asked(step, resolved, loaded.step_path(first["ask"])) if name in have}
    if source == "label":
        found = _by_models(asked, labelled, spread.otherwise)
    elif spread.otherwise == "label":
        found = _by_both(asked, labelled, source)
    else:
        found = _idle(loaded, source, spread.otherwise)
    fields = _fields(asked, step.settings.fields) if source == "truth" else ()
    yield from (loaded.text.problem(path, message) for path, message in (*found, *fields))


def _labelled(loaded: LoadedSpec) -> Iterator[tuple[str, Path]]:
    """The dimensions of the label steps."""
    for index, step in enumerate(loaded.job.steps):
        if isinstance(step.settings, LabelStep):
            for position, name in enumerate(step.settings.dimensions):
                yield name, (*loaded.step_path(index), "dimensions", position)


def _asked(step: Step, resolved: Resolved, path: Path) -> Iterator[tuple[str, Path]]:
    """The dimensions that ask names; where it names none, those that it answers by itself."""
    assert isinstance(step.settings, AskStep)
    for position, name in enumerate(step.settings.dimensions or ()):
        yield name, (*path, "dimensions", position)
    for name in resolved.asked(step) if step.settings.dimensions is None else ():
        yield name, (*path, "fields", name) if name in step.settings.fields else path


def _by_models(asked: Named, labelled: Named, otherwise: str) -> Found:
    """The label steps answer for the chosen rows, and with `otherwise: label` for what is left open."""
    for name in _without(asked, labelled) if labelled else ():
        message = f"no step labels '{name}' (have: {list_some(labelled)}); add it to a label step's dimensions"
        yield asked[name], message
    for name in _without(labelled, asked) if asked and otherwise != "label" else ():
        message = (
            f"'{name}' would be labelled in bought rows alone: ask leaves it out, and `otherwise: {otherwise}` asks no "
            "model about the others; add it to ask's dimensions, or set `otherwise: label`"
        )
        yield labelled[name], message


def _by_both(asked: Named, labelled: Named, source: str) -> Found:
    """Others answer for the chosen rows, and the label steps for what is left open: of the same dimensions."""
    for name in _without(labelled, asked):
        message = (
            f"'{name}' would stay empty in the rows that `from: {source}` answers for; let ask have it too, or label "
            "it in a spec of its own"
        )
        yield labelled[name], message
    for name in _without(asked, labelled) if labelled else ():
        message = (
            f"'{name}' would stay empty where it is not accepted: no step labels it (have: {list_some(labelled)}); add "
            "it to a label step's dimensions, or set `otherwise: review` or `leave`"
        )
        yield asked[name], message


def _idle(loaded: LoadedSpec, source: str, otherwise: str) -> Found:
    """Label steps that no row comes to."""
    message = (
        f"no row comes to this step: `from: {source}` answers for the chosen rows, and `otherwise: {otherwise}` asks "
        "no model about the others; set `otherwise: label`, or take this step out"
    )
    for index, step in enumerate(loaded.job.steps):
        if step.kind == "label":
            yield loaded.step_path(index), message


def _fields(asked: Named, fields: Mapping[str, str]) -> Found:
    """Dimensions whose truth stands nowhere."""
    for name in _without(asked, fields):
        message = f"no field holds the truth of '{name}' (have: {list_some(fields)}); add it to `fields`"
        yield asked[name], f"{message}, or leave it out"


def _without(names: Named, others: Mapping[str, object]) -> list[str]:
    """Those that are not among the others, in order."""
    return [name for name in names if name not in others]
