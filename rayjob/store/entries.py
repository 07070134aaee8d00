"""What lies in folders and what globs match, on any filesystem."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from rayjob.store.address import Address, parse_address, translated
from rayjob.store.errors import StoreError


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file or folder in a listing."""

    uri: str
    size: int = 0
    is_folder: bool = False


def stat(uri: str | Path) -> Entry:
    """The file or folder at `uri`; on S3 a folder is whatever something lies below. Raises StoreError("missing")."""
    with translated(uri) as address:
        info = address.filesystem().get_file_info(address.path)
    if info.type == fs.FileType.NotFound:
        raise StoreError("missing", address.uri, "there is nothing here")
    return Entry(address.uri, int(info.size or 0), info.type == fs.FileType.Directory)


def list_entries(uri: str | Path, *, recursive: bool = False) -> list[Entry]:
    """What lies in a folder, sorted; empty where there is none."""
    with translated(uri) as address:
        selector = fs.FileSelector(address.path, allow_not_found=True, recursive=recursive)
        found = address.filesystem().get_file_info(selector)
    return sorted(
        Entry(Address(address.scheme, info.path).uri, int(info.size or 0), info.type == fs.FileType.Directory)
        for info in found
    )


def parquet_entries(uri: str | Path) -> list[Entry]:
    """The Parquet files below a folder, sorted; what is hidden in it (half-written files) is left out."""
    root = parse_address(uri).uri
    found = (entry for entry in list_entries(uri, recursive=True) if entry.uri.endswith(".parquet"))
    return [entry for entry in found if not entry.is_folder and "/." not in entry.uri.removeprefix(root)]


def is_glob(uri: str | Path) -> bool:
    """Whether `uri` has a wildcard: `*`, `**` or `?`."""
    return any(sign in str(uri) for sign in "*?")


def glob_root(uri: str | Path) -> str:
    """The part of a glob before its first wildcard, cut at a `/`."""
    path = parse_address(uri).uri
    return re.split(r"[*?]", path, maxsplit=1)[0].rpartition("/")[0] or "/"


def glob_entries(uri: str | Path) -> list[Entry]:
    """The files that match, sorted: `*` and `?` stay within a name, `**/` goes through any folders."""
    address = parse_address(uri)
    root = glob_root(uri)
    below = address.uri.removeprefix(root).strip("/")
    pattern = re.compile(_glob_regex(address.uri))
    return [
        e
        for e in list_entries(root, recursive="/" in below or "**" in below)
        if not e.is_folder and pattern.fullmatch(e.uri)
    ]


def _glob_regex(path: str) -> str:
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", path))
