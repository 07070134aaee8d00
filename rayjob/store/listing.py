"""The input's path or paths → the files to read, each with a name that is unique in the run. Opens none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rayjob.store.address import parse_address
from rayjob.store.entries import Entry, glob_entries, glob_root, is_glob, list_entries, stat
from rayjob.store.errors import StoreError
from rayjob.store.kinds import ACCEPTED, is_known, split_kind


@dataclass(frozen=True, slots=True, order=True)
class FileInfo:
    """One input file. `name` is its path relative to the input, unique in the run: the `source` of its rows.

    `format` is "json", "jsonl" or "parquet", by its extension; `size` in bytes.
    """

    uri: str
    size: int
    format: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files to read, in the order of the paths and sorted within each, and those in a folder that are not of a
    known kind.
    """

    files: tuple[FileInfo, ...]
    ignored: tuple[str, ...] = ()


def list_files(paths: str | Sequence[str]) -> list[FileInfo]:
    """The files that a file, a folder, a glob or a list of them names. Raises StoreError as `list_input` does."""
    return list(list_input(paths).files)


def list_input(paths: str | Sequence[str], kind: str = "") -> Listing:
    """The files of an input; of one `kind` only ("parquet") if given.

    A folder is read recursively, known extensions only, hidden names left out. Raises StoreError("missing") where a
    path names nothing that can be read.
    """
    files: dict[str, FileInfo] = {}
    ignored: list[str] = []
    for path in [paths] if isinstance(paths, str) else paths:
        found = _list_one(path, kind)
        ignored += found.ignored
        files.update({file.uri: file for file in found.files if file.uri not in files})
    return Listing(_with_unique_names(list(files.values())), tuple(ignored))


def _list_one(path: str, kind: str) -> Listing:
    uri = parse_address(path).uri
    if is_glob(path):
        root, entries = glob_root(path), glob_entries(path)
        taken = entries
    elif stat(path).is_folder:
        root, entries = uri, [entry for entry in list_entries(path, recursive=True) if not entry.is_folder]
        taken = [entry for entry in entries if _is_input(entry.uri.removeprefix(root))]
    else:
        return Listing((_describe(stat(path), uri.rpartition("/")[0]),))
    files = [file for entry in taken if (file := _describe(entry, root)).format == kind or not kind]
    if not files:
        seen = f"; {len(entries)} others, such as {entries[0].uri}" if entries else ""
        what = "no file matches" if is_glob(path) else f"no file to read in this folder{seen}; accepted: {ACCEPTED}"
        raise StoreError("missing", path, what)
    read = {file.uri for file in files}
    return Listing(tuple(files), tuple(entry.uri for entry in entries if entry.uri not in read))


def _is_input(relative: str) -> bool:
    return is_known(relative) and not any(part.startswith((".", "_")) for part in relative.strip("/").split("/"))


def _describe(entry: Entry, root: str) -> FileInfo:
    name = entry.uri.removeprefix(root).lstrip("/")
    return FileInfo(entry.uri, entry.size, split_kind(entry.uri)[0], name)


def _with_unique_names(files: Sequence[FileInfo]) -> tuple[FileInfo, ...]:
    """Where two paths hold files of one name, those go by their whole path."""
    counts = Counter(file.name for file in files)
    return tuple(
        file if counts[file.name] == 1 else replace(file, name=file.uri.removeprefix("s3://").lstrip("/"))
        for file in files
    )
