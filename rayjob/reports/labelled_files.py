"""Find and read labelled rows: a run folder (local or s3://), or a JSON, JSONL or Parquet file. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from rayjob.labels.conversation import RowError, parse_record
from rayjob.reports.labelled import Labelled, LabelledError, Record, Usage, build_labelled
from rayjob.store import files
from rayjob.store.formats import read_records
from rayjob.store.parquetread import read_batches

#: Columns a comparison needs; the conversations of a million rows are read only for the rows that are shown.
LABEL_COLUMNS = ("id", "uid", "labels", "confidence", "unmapped", "calls", "first_labels", "propagated")
TEXT_COLUMNS = ("id", "uid", "conversation")
READABLE = "a run folder (labels/*.parquet), .json, .jsonl or .parquet"


def read_labelled(path: str, name: str = "") -> Labelled:
    """All labelled rows at `path`, a run folder or a file. Raises LabelledError for what cannot be read."""
    records = _read_all(_find_files(path), LABEL_COLUMNS)
    first = next(records, None)
    header = first if first is not None and "gold" in first and "labels" not in first else None
    if header is None and first is not None:
        records = _chain(first, records)
    found = build_labelled(name or _short_name(path), path, records, partial=header is not None)
    run, failed = _read_object(f"{path.rstrip('/')}/run.json"), _failed(path)
    return replace(
        found,
        multi=found.multi | {name for name, select in run.get("dimensions", {}).items() if select == "multi"},
        unlabelled=found.unlabelled + tuple(id_ for id_, _ in failed),
        unlabelled_uids=found.unlabelled_uids + tuple(uid for _, uid in failed),
        usage=_run_usage(path, run, found.usage),
        meta=dict(header or {"spec": run.get("spec") or {}}),
    )


def _failed(path: str) -> list[tuple[str, str]]:
    """(id, uid) of the rows in a run's failures/*.parquet."""
    folder = f"{path.rstrip('/')}/failures"
    failed = [uri for uri in files.list_folder(folder) if uri.endswith(".parquet")]
    rows = _read_all(failed, ("id", "uid"))
    return [(str(row.get("id") or row.get("uid")), str(row.get("uid") or row.get("id"))) for row in rows]


def read_texts(path: str, keys: Collection[str]) -> dict[str, str]:
    """The conversation, as plain text, of each row at `path` whose id or uid is in `keys`."""
    wanted = set(keys)
    found: dict[str, str] = {}
    for record in _read_all(_find_files(path), TEXT_COLUMNS):
        for key in {str(record.get("id")), str(record.get("uid"))} & wanted:
            found.setdefault(key, conversation_text(record))
    return found


def conversation_text(record: Record) -> str:
    """All turns of a record as "role: text" paragraphs; "" where it holds no conversation."""
    turns = record.get("conversation")
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except ValueError:
            return str(turns)
    for candidate in ({**record, "conversation": turns}, _alpaca(turns)):
        try:
            conversation = parse_record(candidate)
        except RowError:
            continue
        return "\n\n".join(f"{turn.role}: {turn.text}" for turn in conversation.turns if turn.text)
    return ""


def _alpaca(turns: object) -> object:
    """The one record a run keeps as the turns of an Alpaca sample."""
    return turns[0] if isinstance(turns, list) and len(turns) == 1 else None


def _chain(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _short_name(path: str) -> str:
    return PurePosixPath(path.rstrip("/")).name.removesuffix(".gz").rsplit(".", 1)[0] or path


def _find_files(path: str) -> list[str]:
    """The files that hold the rows; a run folder's are its labels/*.parquet."""
    if not files.exists(path):
        raise LabelledError(f"{path}: no such file or folder; accepted: {READABLE}")
    if not files.is_folder(path):
        return [path]
    for folder in (f"{path.rstrip('/')}/labels", path):
        parquet = [uri for uri in files.list_folder(folder) if uri.endswith(".parquet")]
        if parquet:
            return parquet
    raise LabelledError(f"{path}: no labels/*.parquet in this folder; accepted: {READABLE}")


def _read_all(paths: list[str], columns: tuple[str, ...]) -> Iterator[Record]:
    for path in paths:
        yield from _read_parquet(path, columns) if path.endswith(".parquet") else read_json(path)


def _read_parquet(path: str, columns: tuple[str, ...]) -> Iterator[Record]:
    for batch in read_batches(path, columns):
        yield from batch.to_pylist()


def read_json(path: str) -> Iterator[Record]:
    """The objects of a JSON array or of JSON lines (.gz, .zst too). Raises LabelledError with the line."""
    for number, record in enumerate(read_records(path), start=1):
        where = f"{path}:{record.line}" if record.line else f"{path}: record {number}"
        if record.error:
            raise LabelledError(f"{where}: {record.error}; accepted: {READABLE}")
        if not isinstance(record.value, Mapping):
            raise LabelledError(f"{where}: not an object with id and labels")
        yield record.value


def _run_usage(path: str, run: Mapping[str, Any], counted: Usage) -> Usage:
    """What the run's own stats.json and run.json say, where there is one; else what the rows say.

    Beside a file `labeled_X.json` the statistics are in `stats_X.json`, as the trial wrote them.
    """
    folder, _, name = path.rstrip("/").rpartition("/")
    beside = f"{folder or '.'}/{name.replace('labeled_', 'stats_', 1)}" if name.startswith("labeled_") else ""
    stats = _read_object(f"{path.rstrip('/')}/stats.json") or (_read_object(beside) if beside else {})
    sessions = [one for one in run.get("sessions", []) if one.get("ended")]
    seconds = sum(one["ended"] - one["started"] for one in sessions) if sessions else None
    if not stats:
        return counted
    return Usage(
        calls=_pick(stats, "total_llm_calls", counted.calls),
        prompt_tokens=_pick(stats, "total_prompt_tokens", counted.prompt_tokens),
        completion_tokens=_pick(stats, "total_completion_tokens", counted.completion_tokens),
        cost_usd=_pick(stats, "total_cost_usd", counted.cost_usd),
        seconds=_pick(stats, "total_elapsed_seconds", seconds),
    )


def _pick(found: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    value = found.get(name)
    return otherwise if value is None else value


def _read_object(path: str) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none: a run that was stopped has no stats yet."""
    try:
        found = json.loads(files.read_bytes(path))
    except (files.StoreError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
