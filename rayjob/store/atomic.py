"""Writes files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from rayjob.store.address import Address, translated

#: What a file is called while it is written; readers and listings skip it.
PARTIAL_SUFFIX = ".partial"


def write_atomic(uri: str | Path, data: bytes | str) -> None:
    """Makes or replaces the file `uri`; a reader sees the old or the new one. Raises StoreError, and leaves the old
    one then.

    Local: a hidden file beside it, flushed to disk, then renamed. S3: an object appears when its upload is complete.
    """
    content = data.encode() if isinstance(data, str) else data
    with translated(uri) as address:
        if address.is_local:
            _write_local(address, content)
        else:
            with address.filesystem().open_output_stream(address.path, compression=None) as stream:
                stream.write(content)


def _write_local(address: Address, content: bytes) -> None:
    folder, name = os.path.split(address.path)
    os.makedirs(folder, exist_ok=True)
    partial = os.path.join(folder, f".{name[:150]}.{uuid4().hex[:12]}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, address.path)
    except BaseException:  # an interrupt too: nothing half-written stays
        _remove_quietly(partial)
        raise
    _sync_folder(folder)


def _remove_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it was never made, or its folder is gone: there is nothing to leave behind


def _sync_folder(folder: str) -> None:
    """Makes the rename itself durable, where the system can open a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
