"""One kind of address for local files and S3, and the pyarrow filesystem behind each. Opens nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from rayjob.store.errors import StoreError, translate
from rayjob.store.s3settings import S3Settings, find_settings

CONNECT_TIMEOUT_S = 5
#: Of silence, an attempt. Six attempts of it are a minute, after which a storage that does not answer is given up.
REQUEST_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where something is: `path` is what pyarrow.fs wants, an absolute local path or `bucket/key`."""

    scheme: str
    path: str

    @property
    def uri(self) -> str:
        """The address as people write it: a plain path, or s3://bucket/key."""
        return f"s3://{self.path}" if self.scheme == "s3" else self.path

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return self.scheme == "file"

    def filesystem(self) -> fs.FileSystem:
        """The pyarrow filesystem of this address; one S3 client a process and environment."""
        return fs.LocalFileSystem() if self.is_local else _s3(find_settings())


def parse_address(uri: str | Path) -> Address:
    """The address that `uri` names: a local path, file://path or s3://bucket/key. Raises StoreError("invalid")."""
    text = str(uri)
    if text.startswith("s3://"):
        path = text.removeprefix("s3://").strip("/")
        if not path:
            raise StoreError("invalid", text, "no bucket is named; accepted: s3://bucket/key")
        return Address("s3", path)
    if scheme := re.match(r"([a-z][a-z0-9+.-]*)://", text):
        if scheme.group(1) != "file":
            raise StoreError(
                "invalid", text, f"{scheme.group(1)}:// cannot be read; accepted: a local path, file://, s3://"
            )
        text = text.removeprefix("file://")
    if not text or "\0" in text:
        raise StoreError("invalid", text, "this is no path")
    return Address("file", os.path.abspath(os.path.expanduser(text)))


def join(uri: str | Path, *parts: str) -> str:
    """`uri` with `parts` below it."""
    return "/".join((str(uri).rstrip("/"), *parts))


@lru_cache(maxsize=8)
def _s3(settings: S3Settings) -> fs.S3FileSystem:
    where = urlsplit(settings.endpoint)
    extra: dict[str, str] = {}
    if settings.endpoint:
        extra = {"endpoint_override": where.netloc or where.path, "scheme": where.scheme or "https"}
    return fs.S3FileSystem(
        region=settings.region or None,
        connect_timeout=CONNECT_TIMEOUT_S,
        request_timeout=REQUEST_TIMEOUT_S,
        allow_delayed_open=True,  # a small file is one request, which is atomic and cheaper than a multipart upload
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=settings.attempts),
        **extra,
    )


@contextmanager
def translated(uri: str | Path) -> Iterator[Address]:
    """The address of `uri`; errors of pyarrow and the system inside the block become StoreError."""
    address = parse_address(uri)
    try:
        yield address
    except (OSError, pa.ArrowException) as error:
        raise translate(error, address.uri) from error
