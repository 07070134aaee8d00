"""The output folder of a run: where each thing stands, and its small JSON files. Local or s3://."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rayjob.store import files
from rayjob.store.entries import parquet_entries

#: In the folder of a stage, once it is done.
DONE = "_done.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Addresses under one output path. Creates nothing until something is written."""

    path: str

    def at(self, *parts: str) -> str:
        """The address of something in the folder."""
        return "/".join([self.path.rstrip("/"), *parts])

    @property
    def labels(self) -> str:
        """One row per labelled sample."""
        return self.at("labels")

    @property
    def failures(self) -> str:
        """One row per sample that could not be labelled."""
        return self.at("failures")

    @property
    def ledger(self) -> str:
        """Paid answers, where the spec names no other place."""
        return self.at("ledger")

    def stage(self, name: str) -> str:
        """What a stage leaves for the next one."""
        return self.at("stages", name)

    def stage_facts(self, name: str) -> dict[str, Any] | None:
        """What a stage noted when it was done; None while it is not."""
        return self.read_json(f"stages/{name}/{DONE}")

    def finish_stage(self, name: str, facts: Mapping[str, Any]) -> None:
        """Mark a stage as done."""
        self.write_json(f"stages/{name}/{DONE}", facts)

    def checkpoint(self, name: str) -> str:
        """Ray's marks of which rows a stage has committed."""
        return self.at("checkpoints", name)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A JSON file of the folder; None where there is none."""
        uri = self.at(name)
        if not files.exists(uri):
            return None
        found: dict[str, Any] = orjson.loads(files.read_bytes(uri))
        return found

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file, whole or not at all."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
        files.write_atomic(self.at(name), orjson.dumps(value, option=options) + b"\n")

    def parquet(self, folder: str) -> list[str]:
        """The Parquet files of a folder of the run, sorted; empty where it does not exist."""
        return [entry.uri for entry in parquet_entries(self.at(folder))]
