"""What kind of input file a name stands for. Looks at names only."""

from __future__ import annotations

KINDS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
CODECS = (".gz", ".zst")
ACCEPTED = ".json, .jsonl, .ndjson (also .gz, .zst), .parquet"


def split_kind(name: str) -> tuple[str, str]:
    """The kind ("json", "jsonl", "parquet") and the codec (".gz", ".zst", "") by the name's extensions; else ("json",
    "").
    """
    lowered = name.lower()
    codec = next((suffix for suffix in CODECS if lowered.endswith(suffix)), "")
    stem = lowered.removesuffix(codec) if codec else lowered
    kind = next((kind for suffix, kind in KINDS.items() if stem.endswith(suffix)), "json")
    return ("json", codec) if codec and kind == "parquet" else (kind, codec)


def is_known(name: str) -> bool:
    """Whether a file of this name in an input folder is read."""
    lowered = name.lower()
    codec = next((suffix for suffix in CODECS if lowered.endswith(suffix)), "")
    stem = lowered.removesuffix(codec) if codec else lowered
    known = tuple(suffix for suffix, kind in KINDS.items() if not codec or kind != "parquet")
    return stem.endswith(known)
