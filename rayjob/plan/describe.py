"""What each step reads, writes and runs on: the compiler's input. Columns decide the order, not the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rayjob.labels.prompt import ALL_LABELS
from rayjob.plan.graph import PlannedStep, Resource, Scope
from rayjob.plan.resolve import Resolved
from rayjob.spec.choice import ChooseStep, GenerateStep, TrainChoiceStep
from rayjob.spec.label import ArbitrateStep, LabelStep, MapStep
from rayjob.spec.model import Step
from rayjob.spec.prepare import PrepareStep
from rayjob.spec.spread import AskStep, EmbedStep, PropagateStep

#: Columns that `prepare` gives.
PREPARED = ("transcript", "query", "answer", "reasoning", "signals", "metadata")

Edges = tuple[tuple[str, ...], tuple[str, ...]]


def describe_steps(resolved: Resolved) -> list[PlannedStep]:
    """Every step of the spec, in the order written; `prepare` is added where the spec leaves it out."""
    steps = list(resolved.job.steps)
    if not any(step.kind == "prepare" for step in steps):
        steps.insert(0, Step(kind="prepare", name="prepare", settings=PrepareStep()))
    return [_describe(step, resolved) for step in steps]


def _describe(step: Step, resolved: Resolved) -> PlannedStep:
    resource, scope = RUNS_ON[step.kind]
    models = _models(step, resolved)
    if isinstance(step.settings, EmbedStep) and models:
        resource = "llm"
    if isinstance(step.settings, AskStep) and step.settings.source != "label":
        resource = "cpu"  # people or a column answer
    reads, writes = EDGES[step.kind](step, resolved)
    return PlannedStep(
        step.name,
        step.kind,
        resource,
        scope,
        tuple(sorted(set(reads))),
        tuple(sorted(set(writes))),
        models,
    )


#: Where each kind of step runs, and how much of the table it sees at once.
RUNS_ON: Mapping[str, tuple[Resource, Scope]] = {
    "prepare": ("cpu", "row"),
    "label": ("llm", "row"),
    "arbitrate": ("llm", "row"),
    "map": ("llm", "row"),
    "generate": ("llm", "row"),
    "embed": ("gpu", "row"),
    "choose": ("gpu", "row"),
    "cluster": ("cpu", "table"),
    "represent": ("cpu", "table"),
    "ask": ("llm", "table"),
    "propagate": ("cpu", "table"),
    "pair": ("cpu", "table"),
    "train_choice": ("gpu", "table"),
}


def _models(step: Step, resolved: Resolved) -> tuple[str, ...]:
    settings = step.settings
    if isinstance(settings, ArbitrateStep) and settings.model is None:
        found = [
            label.settings.model for label in resolved.job.steps_of("label") if isinstance(label.settings, LabelStep)
        ]
        return tuple(dict.fromkeys(found))
    if isinstance(settings, LabelStep):
        return settings.models
    if isinstance(settings, MapStep):
        return (settings.unmapped_with,)
    model = getattr(settings, "model", None)
    if isinstance(settings, EmbedStep) and model not in resolved.job.models:
        return ()  # a network of its own, not a model behind LiteLLM
    return (model,) if isinstance(settings, ArbitrateStep | GenerateStep | EmbedStep) and model else ()


def _prepare(step: Step, resolved: Resolved) -> Edges:
    return ("record",), PREPARED


def _label(step: Step, resolved: Resolved) -> Edges:
    settings = step.settings
    assert isinstance(settings, LabelStep)
    template = resolved.templates.get(step.name)
    mentioned = template.label_reads if template else frozenset()
    reads = set(mentioned - {ALL_LABELS})
    if ALL_LABELS in mentioned:
        reads |= _earlier(step, resolved)
    variables = (template.variables & set(PREPARED)) if template else set()
    writes = tuple(f"labels.{name}" for name in settings.dimensions)
    labels = (f"labels.{name}" for name in reads - set(settings.dimensions))
    return (*labels, *variables, *_waits_for_spreading(resolved), "transcript"), writes


def _waits_for_spreading(resolved: Resolved) -> tuple[str, ...]:
    """Where labels are spread, label steps answer for chosen rows only, so they run after the choice of them."""
    if any(isinstance(step.settings, AskStep) and step.settings.source == "label" for step in resolved.job.steps):
        return ("representative",)
    spreads = (step.settings for step in resolved.job.steps if isinstance(step.settings, PropagateStep))
    return ("propagated",) if any(settings.otherwise == "label" for settings in spreads) else ()


def _earlier(step: Step, resolved: Resolved) -> set[str]:
    """Dimensions of the label steps written before this one: what a bare `labels` in its template means."""
    found: set[str] = set()
    for other in resolved.job.steps_of("label"):
        if other.name == step.name:
            break
        assert isinstance(other.settings, LabelStep)
        found |= set(other.settings.dimensions)
    return found


def _all_labels(resolved: Resolved) -> tuple[str, ...]:
    """Labels that label steps make."""
    names = {
        name
        for step in resolved.job.steps_of("label")
        if isinstance(step.settings, LabelStep)
        for name in step.settings.dimensions
    }
    return tuple(f"labels.{name}" for name in resolved.taxonomy.dimensions if name in names)


def _arbitrate(step: Step, resolved: Resolved) -> Edges:
    return (*_all_labels(resolved), "transcript"), ("arbitrated",)


def _map(step: Step, resolved: Resolved) -> Edges:
    after = ("arbitrated",) if resolved.job.steps_of("arbitrate") else ()
    return (*_all_labels(resolved), *after), ("mapped",)


def _embed(step: Step, resolved: Resolved) -> Edges:
    settings = step.settings
    assert isinstance(settings, EmbedStep)
    return settings.reads, ("vector",)


def _cluster(step: Step, resolved: Resolved) -> Edges:
    return ("vector",), ("cluster",)


def _represent(step: Step, resolved: Resolved) -> Edges:
    clusters = ("cluster",) if resolved.job.steps_of("cluster") else ()
    return ("vector", *clusters), ("representative",)


def _ask(step: Step, resolved: Resolved) -> Edges:
    assert isinstance(step.settings, AskStep)
    if step.settings.source != "label":
        return ("representative",), ("asked",)
    after = [column for kind, column in AFTER_LABELS if resolved.job.steps_of(kind)]
    return ("representative", *_all_labels(resolved), *after), ("asked",)


#: What the steps behind the label steps write: labels are asked for when those have had their say.
AFTER_LABELS = (("arbitrate", "arbitrated"), ("map", "mapped"))


def _propagate(step: Step, resolved: Resolved) -> Edges:
    return ("asked", "vector"), ("propagated",)


def _generate(step: Step, resolved: Resolved) -> Edges:
    settings, template = step.settings, resolved.templates.get(step.name)
    assert isinstance(settings, GenerateStep)
    own = ("reasoning", "answer") if settings.keep else ()
    variables = template.variables & set(PREPARED) if template else ()
    return ("query", *own, *variables), ("candidates",)


def _reasonings(resolved: Resolved) -> str:
    """Where reasonings to compare stand: those that `generate` made, or the rows' own."""
    return "candidates" if resolved.job.steps_of("generate") else "reasoning"


def _pair(step: Step, resolved: Resolved) -> Edges:
    return (_reasonings(resolved), "metadata"), ("pairs",)


def _train(step: Step, resolved: Resolved) -> Edges:
    settings = step.settings
    assert isinstance(settings, TrainChoiceStep)
    paired = settings.pairs is None and resolved.job.steps_of("pair")
    return (_reasonings(resolved), "metadata", *(("pairs",) if paired else ())), ("weights",)


def _choose(step: Step, resolved: Resolved) -> Edges:
    settings = step.settings
    assert isinstance(settings, ChooseStep)
    weights = ("weights",) if settings.weights is None else ()
    return (_reasonings(resolved), *weights), ("choice", f"labels.{settings.dimension}")


EDGES: Mapping[str, Callable[[Step, Resolved], Edges]] = {
    "prepare": _prepare, "label": _label, "arbitrate": _arbitrate, "map": _map, "embed": _embed, "cluster": _cluster,
    "represent": _represent, "ask": _ask, "propagate": _propagate, "generate": _generate, "pair": _pair,
    "train_choice": _train, "choose": _choose,
}  # fmt: skip
