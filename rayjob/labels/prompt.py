"""Prompt templates: Jinja text with `--- role` lines, rendered into messages. Refuses what is not data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError

from rayjob.labels.prompt_sandbox import MAX_LOOP_STEPS, MAX_RENDERED_CHARS, PromptEnvironment
from rayjob.labels.prompt_source import ALL_LABELS, Sources, split_messages
from rayjob.spec.base import Problem, SpecError

__all__ = ["ALL_LABELS", "ROW_VARIABLES", "VARIABLES", "BoundTemplate", "Message", "RenderError", "Template"]

#: What a label prompt may mention, and what it is. Those of ROW_VARIABLES differ from row to row, the others never.
VARIABLES: Mapping[str, str] = {
    "dimensions": "the dimensions this step asks for, in order: name, title, description, principle, select, tags",
    "taxonomy": "all dimensions by name",
    "transcript": "the conversation as text, cut to the budget",
    "fence": "a line that does not occur in the transcript, to stand before and after it",
    "query": "the last user turn",
    "answer": "the last assistant reply",
    "reasoning": "chain of thought that was taken out of the reply",
    "signals": "what was found in the conversation without a model: a mapping",
    "labels": "labels of earlier steps by dimension",
    "metadata": "the other fields of the record: a mapping",
    "turn": "number of the labelled turn",
    "unmapped": "unmapped tags: dimension, value; in a map step also candidates, each with id and description",
}
ROW_VARIABLES = frozenset(VARIABLES) - {"dimensions", "taxonomy"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str

    def to_dict(self) -> dict[str, str]:
        """As chat APIs take it."""
        return {"role": self.role, "content": self.content}


class RenderError(Exception):
    """A template failed on a row; the message says where."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One message of a template before rendering: messages are cut in the source, so no row can add or end one."""

    role: str
    template: JinjaTemplate
    variables: frozenset[str]


class Template:
    """A prompt: text before the first marker holds macros and imports; without markers it is one user message.

    `files` are the texts that may be included or imported. Raises SpecError with every problem, by file and line.
    """

    def __init__(self, text: str, name: str, files: Mapping[str, str] | None = None) -> None:
        self.name = name
        texts = {**(files or {}), name: text}
        self._environment = PromptEnvironment(texts)
        sources = Sources(self._environment, texts)
        sources.read(name)
        if name in sources.trees:
            sources.check_messages(name)
        if sources.problems:
            raise SpecError(sources.problems)
        #: Dimensions whose labels it reads; ALL_LABELS among them where it uses `labels` as a whole.
        self.label_reads = sources.label_reads()
        self._parts = tuple(_compile(sources, name, text))
        if not self._parts:
            raise SpecError([Problem(name, 1, "", "the template has no text")])
        #: What the caller must give, through every include.
        self.variables: frozenset[str] = frozenset().union(*(part.variables for part in self._parts))

    def render(self, **variables: object) -> list[Message]:
        """The messages; empty ones are left out. Raises RenderError."""
        return self.bind().render(**variables)

    def bind(self, **fixed: object) -> BoundTemplate:
        """The template with the variables that no row changes: messages made of them alone are rendered once."""
        ready = tuple(
            self._render(part, fixed) if part.variables <= fixed.keys() else None for part in self._parts
        )  # fmt: skip
        return BoundTemplate(self, dict(fixed), ready)

    def _render(self, part: _Part, variables: Mapping[str, object]) -> Message:
        self._environment.steps_left = MAX_LOOP_STEPS
        try:
            return Message(part.role, _join(part.template.generate(**variables)).strip())
        except (
            TemplateError,
            TypeError,
            ValueError,
            LookupError,
            ArithmeticError,
            AttributeError,
            RecursionError,
        ) as error:
            raise RenderError(
                f"{self._place(error)}: {' '.join(str(error).split()) or type(error).__name__}"
            ) from error

    def _place(self, error: BaseException) -> str:
        """The last line of a template in the traceback: Jinja rewrites frames so that it is in ours."""
        place, trace = self.name, error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if trace.tb_frame.f_globals.get("__jinja_template__") or file == self.name:
                place = f"{file}:{trace.tb_lineno}"
            trace = trace.tb_next
        return place


@dataclass(frozen=True, slots=True)
class BoundTemplate:
    """A template with its fixed variables: `ready` holds the messages that are the same for every row."""

    template: Template
    fixed: Mapping[str, object]
    ready: tuple[Message | None, ...]

    def render(self, **row: object) -> list[Message]:
        """The messages for one row; empty ones are left out. Raises RenderError."""
        variables = {**self.fixed, **row}
        messages = [
            ready or self.template._render(part, variables)
            for part, ready in zip(self.template._parts, self.ready, strict=True)
        ]
        return [message for message in messages if message.content]

    @property
    def prefix(self) -> list[Message]:
        """The leading messages that every row shares: what a provider can cache as a whole."""
        shared: list[Message] = []
        for message in self.ready:
            if message is None:
                break
            shared.append(message)
        return [message for message in shared if message.content]


def _join(chunks: Iterator[str]) -> str:
    pieces: list[str] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_RENDERED_CHARS:
            raise ValueError(f"the message is longer than {MAX_RENDERED_CHARS:,} characters")
        pieces.append(chunk)
    return "".join(pieces)


def _compile(sources: Sources, name: str, text: str) -> Iterator[_Part]:
    env = sources.environment
    for role, source in split_messages(text):
        template = JinjaTemplate.from_code(env, env.compile(source, name, name), env.make_globals(None))
        yield _Part(role, template, sources.variables(env.parse(source, name, name)))
