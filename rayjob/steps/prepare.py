"""Prepare: records of an input file → the rows that are labelled, one a sample.

A record that cannot be read is a row too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping

import orjson

from rayjob.labels.conversation import Conversation, RowError, Turn, parse_record
from rayjob.labels.excerpt import make_excerpt
from rayjob.labels.markup import make_storable
from rayjob.labels.records import Record
from rayjob.labels.signals import find_signals
from rayjob.labels.slices import Sample, Sparse, slice_conversation
from rayjob.spec.prepare import PrepareStep

Row = dict[str, object]

#: What every row has, whether it was read or not.
EMPTY_ROW: Row = {
    "uid": "", "id": "", "source": "", "row": 0, "turn": 0, "format": "", "conversation": "[]", "metadata": "{}",
    "transcript": "", "query": "", "answer": "", "reasoning": "", "signals": "{}", "dropped_chars": 0, "heirs": [],
    "failure": None,
}  # fmt: skip
PREPARED_COLUMNS = tuple(EMPTY_ROW)
MAX_MESSAGE = 500


class Prepare:
    """The step: called with the records of one file, in order, and the file's name in the run."""

    def __init__(self, step: PrepareStep, format: str = "auto", sample: float = 1.0, seed: int = 0) -> None:
        self.name = step.name
        self.slice = step.slice
        self.sparse = Sparse(step.sparse.full, step.sparse.every) if step.sparse else None
        self.inherit = step.inherit
        self.max_chars = step.truncate.max_chars
        self.format = "auto" if format == "parquet" else format
        self.sample = sample
        self.seed = seed

    def __call__(self, records: Iterable[Record], source: str) -> Iterator[Row]:
        """The rows of `records`, lazily and in order, with the columns PREPARED_COLUMNS.

        `source` names the file within the run: its path relative to the input. uid is `source#row#turn`.
        """
        source = make_storable(source)
        for record in records:
            if self.sample < 1.0 and not self._is_sampled(source, record.row):
                continue
            yield from self._prepare(record, source)

    def _is_sampled(self, source: str, row: int) -> bool:
        return zlib.crc32(f"{self.seed}#{source}#{row}".encode()) < self.sample * 2**32

    def _prepare(self, record: Record, source: str) -> Iterator[Row]:
        place = {"source": source, "row": record.row}
        try:
            if record.error:
                raise RowError("unreadable", record.error)
            conversation = parse_record(record.value, self.format)
            samples = slice_conversation(conversation, self.slice, self.sparse, inherit=self.inherit)
        except RowError as error:
            yield self._fail(record, place, error)
            return
        whole = {
            **place,
            "format": conversation.format,
            "metadata": dump_json(conversation.metadata),
            "conversation": dump_json(conversation.raw_turns),
        }
        for sample in samples:
            yield self._row(sample, whole, is_whole=sample.conversation is conversation)

    def _row(self, sample: Sample, whole: Row, *, is_whole: bool) -> Row:
        conversation, turns = sample.conversation, sample.conversation.turns
        excerpt = make_excerpt(turns, self.max_chars, sample.labelled)
        record_uid = f"{whole['source']}#{whole['row']}"
        uid = f"{record_uid}#{sample.turn}"
        labelled = turns[sample.labelled]
        row = {
            **EMPTY_ROW,
            **whole,
            "uid": uid,
            "id": conversation.id or uid,
            "turn": sample.turn,
            "heirs": [
                _heir(f"{whole['source']}#{whole['row']}#{turn}", conversation.id, turn) for turn in sample.heirs
            ],
            "transcript": excerpt.text,
            "dropped_chars": excerpt.dropped_chars,
            "query": "" if sample.query is None else turns[sample.query].text,
            "answer": labelled.text if labelled.role == "assistant" else "",
            "reasoning": _reasoning(conversation, sample),
            "signals": dump_json(find_signals(conversation).to_json()),
        }
        if not is_whole:
            row["conversation"] = dump_json(conversation.raw_turns)
        return row

    def _fail(self, record: Record, place: Row, error: RowError) -> Row:
        where = f"{place['source']}, line {record.line}" if record.line else f"{place['source']}, record {record.row}"
        message = make_storable(f"{where}: {error.message}"[:MAX_MESSAGE])
        uid = f"{place['source']}#{record.row}#0"
        failure = {"kind": error.kind, "message": message, "step": self.name, "attempts": 0}
        kept = "[]" if record.value is None else dump_json([record.value])
        return {**EMPTY_ROW, **place, "uid": uid, "id": uid, "conversation": kept, "failure": failure}


def _heir(uid: str, record_id: str, turn: int) -> Row:
    """A reply that is not asked about and takes the labels of the row that carries it."""
    return {"uid": uid, "id": record_id or uid, "turn": turn}


def _reasoning(conversation: Conversation, sample: Sample) -> str:
    """The chain of thought behind the labelled reply: of every assistant turn from the question to it."""
    start = sample.query or 0
    answering: tuple[Turn, ...] = conversation.turns[start : sample.labelled + 1]
    return "\n\n".join(turn.reasoning for turn in answering if turn.reasoning)


def dump_json(value: object) -> str:
    """`value` as JSON text that UTF-8 and Arrow can hold. What JSON does not know becomes text."""
    try:
        return orjson.dumps(value, default=_to_json, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, an integer past 64 bits, nesting past 254 levels
        pass
    try:
        return make_storable(json.dumps(value, ensure_ascii=False, default=_to_json, skipkeys=True))
    except (ValueError, RecursionError):
        return orjson.dumps(f"<{type(value).__name__} that is not JSON>").decode()


def _to_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, set | tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else str(value)
