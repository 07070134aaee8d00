"""The label step: one question a row about some dimensions, its answer checked against their pools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rayjob.labels.answer import Answer, answer_schema, parse_answer
from rayjob.labels.asking import Asker, CallFailedError, Question, Reply
from rayjob.labels.calibration import CalibrationMap, apply_calibration
from rayjob.labels.logprobs import confidence_of_tokens
from rayjob.labels.prompt import RenderError, Template
from rayjob.labels.tags import Resolved, resolve
from rayjob.labels.taxonomy import Dimension, Taxonomy
from rayjob.labels.votes import find_split, merge_answers
from rayjob.spec.label import LabelStep
from rayjob.steps.questions import LazyMessages, render_question, shorten, soften
from rayjob.steps.row import STATE, Row, add_reply, fail_row, open_dims, prompt_values, take_answer

Calibration = Mapping[str, CalibrationMap]

NO_LOGPROBS = "no token probabilities came with the answer, so its confidence is not known"


@dataclass(frozen=True, slots=True)
class Asking:
    """How a label question is put this time: to the model and to those of `also`, `samples` draws each, numbered from
    `first_sample`."""

    step: str
    model: str
    dims: tuple[Dimension, ...]
    temperature: float | None = None
    samples: int = 1
    first_sample: int = 0
    also: tuple[str, ...] = ()


class Label:
    """Labels the dimensions of one spec step. `reads` are the dimensions whose labels its prompt mentions."""

    def __init__(
        self, name: str, spec: LabelStep, taxonomy: Taxonomy, template: Template, calibration: Calibration | None = None
    ) -> None:
        self.calibration = calibration or {}
        self.name = name
        self.spec = spec
        self.taxonomy = taxonomy
        self.dims = tuple(taxonomy.dimensions[dimension] for dimension in spec.dimensions)
        self.reads = template.label_reads
        self.prompt = template.bind(dimensions=self.dims, taxonomy=taxonomy.dimensions)
        self.static = len(self.prompt.prefix)
        self._schemas: dict[tuple[str, ...], dict[str, object]] = {}

    async def __call__(self, row: Row, asker: Asker) -> Row:
        """The row with this step's labels, or with its failure. A row that failed before passes through."""
        if row["failure"]:
            return row
        row[STATE]["seen"][self.name] = tuple(row["labels"])
        dims = open_dims(row, self.dims)
        if not dims:
            return row
        try:
            answers = await self.ask(row, asker, self.asking(dims))
        except CallFailedError as error:
            return fail_row(row, self.name, error)
        row[STATE]["split"] += find_split(answers, dims)
        take_answer(row, self.combine(answers, dims), self.taxonomy)
        return row

    def asking(self, dims: tuple[Dimension, ...]) -> Asking:
        """How the spec wants these dimensions asked about."""
        spec = self.spec
        return Asking(self.name, spec.model, dims, spec.temperature, spec.samples, also=spec.also_ask)

    def combine(self, answers: Sequence[Resolved], dims: Sequence[Dimension]) -> Resolved:
        """The majority of this step's answers, with the confidence that its calibration was fitted to, mapped."""
        return self.calibrate(merge_answers(answers, dims, self.spec.by_agreement))

    def calibrate(self, found: Resolved) -> Resolved:
        """The same with calibrated confidence."""
        if not self.calibration:
            return found
        stated = found.confidence.items()
        return replace(
            found, confidence={name: apply_calibration(score, self.calibration.get(name)) for name, score in stated}
        )

    async def ask(self, row: Row, asker: Asker, asking: Asking) -> list[Resolved]:
        """The answers to this step's question, put as `asking` says; their calls are added to the row.

        Draws that fail are left out as long as one answers; raises CallFailedError where none does.
        """
        base = self.question(row, asking)
        draws = range(asking.first_sample, asking.first_sample + asking.samples)
        models = (asking.model, *asking.also)
        seats = [(place, draw) for place in range(len(models)) for draw in draws]
        questions = [replace(base, model=models[place], sample=draw, voter=place) for place, draw in seats]
        done = await asyncio.gather(
            *(asker.ask(question, lambda text: parse_answer(text, asking.dims)) for question in questions),
            return_exceptions=True,
        )
        failed = [outcome for outcome in done if isinstance(outcome, BaseException)]
        fatal = [error for error in failed if not isinstance(error, CallFailedError)]
        if fatal or len(failed) == len(done):
            raise (fatal or failed)[0]
        answers = []
        for outcome in done:
            if isinstance(outcome, CallFailedError):
                row["calls"].extend(reply.to_call() for reply in outcome.calls)
            elif not isinstance(outcome, BaseException):
                add_reply(row, outcome[1])
                answers.append(self._resolve(*outcome, asking.dims))
        return answers

    def question(self, row: Row, asking: Asking) -> Question:
        """The question as this row makes it. Raises CallFailedError("internal") where the prompt does not render."""
        values = {**prompt_values(row), "labels": self.visible_labels(row)}
        only = [dim.name for dim in asking.dims] if len(asking.dims) < len(self.dims) else []
        try:
            messages = render_question(self.prompt, values, only)
        except RenderError as error:
            raise CallFailedError("internal", f"the prompt cannot be rendered: {error}", attempts=0) from error
        return Question(
            step=asking.step,
            model=asking.model,
            messages=messages,
            schema=self._schema(asking.dims),
            temperature=asking.temperature,
            max_tokens=self.spec.max_tokens,
            plain=LazyMessages(lambda: render_question(self.prompt, soften(values), only)),
            shorter=LazyMessages(lambda: render_question(self.prompt, shorten(values), only)),
            dimensions=tuple(dim.name for dim in asking.dims),
            static=self.static,
            logprobs=self.spec.confidence == "logprobs",
            row=row.get("uid", ""),
            later=bool(row["calls"]),
        )

    def visible_labels(self, row: Row) -> dict[str, object]:
        """Labels of the steps that had answered when this step first asked: asked again, it sees the same ones."""
        own = {dim.name for dim in self.dims}
        seen = row[STATE]["seen"].get(self.name, tuple(row["labels"]))
        return {name: row["labels"][name] for name in seen if name not in own}

    def _schema(self, dims: Sequence[Dimension]) -> dict[str, object]:
        key = tuple(dim.name for dim in dims)
        if key not in self._schemas:
            self._schemas[key] = answer_schema(dims)
        return self._schemas[key]

    def _resolve(self, answer: Answer, reply: Reply, dims: Sequence[Dimension]) -> Resolved:
        if self.spec.confidence == "logprobs":
            answer = replace(answer, confidence=confidence_of_tokens(reply.logprobs, dims), issues=())
        found = resolve(answer, dims, self.taxonomy, self.spec.tags)
        if self.spec.confidence == "logprobs" and not reply.logprobs:
            return replace(found, issues=(*found.issues, NO_LOGPROBS))
        return found
