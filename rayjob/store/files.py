"""The door to files, local or s3://: list, open, read, write, delete.

Every error is a StoreError that names the path.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from rayjob.store.address import join, translated
from rayjob.store.atomic import write_atomic
from rayjob.store.entries import glob_entries, list_entries, stat
from rayjob.store.errors import StoreError
from rayjob.store.listing import FileInfo, Listing, list_files, list_input

__all__ = [
    "FileInfo", "Listing", "StoreError", "delete", "delete_folder", "exists", "glob", "is_folder", "join", "list_files",
    "list_folder", "list_input", "open_input", "open_output", "read_bytes", "read_text", "size", "write_atomic",
]  # fmt: skip


def open_input(uri: str | Path) -> pa.NativeFile:
    """The file, seekable; on S3 nothing is read before it is asked for."""
    with translated(uri) as address:
        return address.filesystem().open_input_file(address.path)


def open_output(uri: str | Path) -> pa.NativeFile:
    """A stream to a new file, whose folder is made.

    On S3 it appears when closed; locally at once (write_atomic does not).
    """
    with translated(uri) as address:
        if address.is_local:
            os.makedirs(os.path.dirname(address.path), exist_ok=True)
        return address.filesystem().open_output_stream(address.path, compression=None)


def read_bytes(uri: str | Path) -> bytes:
    """All of a file."""
    with translated(uri) as address, address.filesystem().open_input_file(address.path) as file:
        return bytes(file.read())


def read_text(uri: str | Path) -> str:
    """All of a UTF-8 file, without its byte order mark. Raises StoreError("invalid") for other bytes."""
    try:
        return read_bytes(uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StoreError("invalid", str(uri), f"not UTF-8 at offset {error.start:,}") from None


def exists(uri: str | Path) -> bool:
    """Whether a file or folder is there. Raises StoreError where that cannot be known."""
    try:
        stat(uri)
    except StoreError as error:
        if error.kind == "missing":
            return False
        raise
    return True


def is_folder(uri: str | Path) -> bool:
    """Whether `uri` is a folder (on S3: whether anything lies below it); False where nothing is."""
    return exists(uri) and stat(uri).is_folder


def size(uri: str | Path) -> int:
    """The size of a file in bytes. Raises StoreError("missing")."""
    return stat(uri).size


def list_folder(uri: str | Path, *, recursive: bool = False) -> list[str]:
    """The files in a folder, sorted; empty where there is none."""
    return [entry.uri for entry in list_entries(uri, recursive=recursive) if not entry.is_folder]


def glob(uri: str | Path) -> list[str]:
    """The files that match `*`, `**` and `?`, sorted."""
    return [entry.uri for entry in glob_entries(uri)]


def delete(uri: str | Path) -> None:
    """Removes a file; nothing happens where there is none."""
    with translated(uri) as address:
        try:
            address.filesystem().delete_file(address.path)
        except FileNotFoundError:
            return


def delete_folder(uri: str | Path) -> None:
    """Removes a folder and everything below it; nothing happens where there is none."""
    with translated(uri) as address:
        try:
            address.filesystem().delete_dir(address.path)
        except FileNotFoundError:
            return
