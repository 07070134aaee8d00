"""The few file operations that a ledger needs, over any address. Errors are OSErrors, as its protocol asks."""

from __future__ import annotations

from collections.abc import Mapping

from pyarrow import fs

from rayjob.store.address import Address, parse_address
from rayjob.store.atomic import write_atomic
from rayjob.store.errors import StoreError


class LedgerFiles:
    """Reads ranges, writes whole files, lists sizes, deletes. Holds no state, so actors can share or copy it."""

    def read_bytes(self, uri: str, offset: int = 0, length: int | None = None) -> bytes:
        """At most `length` bytes from `offset`."""
        address = parse_address(uri)
        if address.is_local:
            with open(address.path, "rb") as local:
                local.seek(offset)
                return local.read(-1 if length is None else length)
        with address.filesystem().open_input_file(address.path) as remote:
            size = remote.size() - offset
            return bytes(remote.read_at(size if length is None else min(length, size), offset))

    def write_atomic(self, uri: str, data: bytes) -> None:
        """Whole or not at all; durable when it returns."""
        try:
            write_atomic(uri, data)
        except StoreError as error:
            raise OSError(str(error)) from error

    def list_sizes(self, uri: str) -> Mapping[str, int]:
        """Size by URI of every file below a folder; empty where there is none."""
        address = parse_address(uri)
        selector = fs.FileSelector(address.path, allow_not_found=True, recursive=True)
        found = address.filesystem().get_file_info(selector)
        return {
            Address(address.scheme, info.path).uri: int(info.size) for info in found if info.type == fs.FileType.File
        }

    def delete(self, uri: str) -> None:
        """Removes one file."""
        address = parse_address(uri)
        address.filesystem().delete_file(address.path)
