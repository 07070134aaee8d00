"""The index of answers in memory: every answer once, found in the segment where it stands by now."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path

import pytest

from rayjob.llm.ledger_index import build_index
from rayjob.llm.ledger_lookup import Lookup
from rayjob.llm.segments import encode_record, encode_segment, merge_segments
from tests.llm.rig import LocalFiles


def write_merging(folder: Path, segments: int, fan_in: int) -> tuple[Lookup, list[bytes]]:
    """A lookup that took in so many segments of four answers, each `fan_in` of them merged to one on two levels."""
    rng, files = random.Random(3), LocalFiles()
    lookup = Lookup(files, str(folder), build_index([]))
    names = (f"{folder}/{number:04}.seg" for number in itertools.count())
    keys: list[bytes] = []
    levels: list[list[str]] = [[], [], []]

    def take_in(blob: bytes, level: int, instead_of: list[str]) -> None:
        uri = next(names)
        files.write_atomic(uri, blob)
        lookup.add_segment(uri, blob, instead_of)
        for gone in instead_of:
            files.delete(gone)
        levels[level].append(uri)
        if level < 2 and len(levels[level]) == fan_in:
            mine, levels[level] = levels[level], []
            take_in(merge_segments(files.read_bytes(uri) for uri in mine), level + 1, mine)

    for _ in range(segments):
        fresh = [rng.randbytes(16) for _ in range(4)]
        keys += fresh
        take_in(encode_segment({key: encode_record(key, key[:4]) for key in fresh}), 0, [])
    return lookup, keys


@pytest.mark.parametrize("segments", [1, 7, 16, 61])
def test_each_answer_stands_once_and_is_found_where_it_was_merged_to(tmp_path: Path, segments: int) -> None:
    lookup, keys = write_merging(tmp_path, segments, fan_in=4)

    async def find() -> list[bytes | None]:
        return [await lookup.find(key) for key in (*keys, b"?" * 16)]

    assert asyncio.run(find()) == [*(key[:4] for key in keys), None]
    assert len(keys) <= len(lookup) <= 2 * len(keys), "merged segments leave the index when pieces are merged"
    assert len(lookup._pieces) <= 9  # log2 of 244 answers, and one
