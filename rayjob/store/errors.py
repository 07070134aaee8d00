"""What can go wrong with files and S3, in the words of the person who can mend it."""

from __future__ import annotations

import errno
import re

#: kind → what to do about it.
ADVICE = {
    "missing": "check the path; on S3 also the bucket and the endpoint (AWS_ENDPOINT_URL)",
    "denied": "check the permissions; on S3 the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE) and the bucket's policy",
    "full": "make room there or choose another output path",
    "readonly": "choose an output path that can be written",
    "unreachable": "check the network and the endpoint (AWS_ENDPOINT_URL), then run the same command again",
    "invalid": "check the path",
}
ERRNO_KINDS = {
    errno.ENOENT: "missing", errno.ENOTDIR: "missing", errno.EACCES: "denied", errno.EPERM: "denied",
    errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EROFS: "readonly", errno.EISDIR: "invalid",
    errno.ENAMETOOLONG: "invalid", errno.ESTALE: "unreachable", errno.EIO: "unreachable",
    errno.ETIMEDOUT: "unreachable",
}  # fmt: skip
#: Parts of the messages that Arrow makes of S3's answers, first match wins.
S3_KINDS = (
    (
        r"ACCESS_DENIED|AccessDenied|INVALID_ACCESS_KEY|SIGNATURE|InvalidAccessKey|EXPIRED_TOKEN|status 403",
        "denied",
    ),
    (
        r"NO_SUCH_BUCKET|NoSuchBucket|NO_SUCH_KEY|NOT_FOUND|status 404|does not exist",
        "missing",
    ),
    (r"XMinioStorageFull|QuotaExceeded|status 507", "full"),
    (r"AWS Error|curlCode|timed? ?out|Connection", "unreachable"),
)


class StoreError(Exception):
    """A path that cannot be read or written. `kind` is a key of ADVICE; the message names the path and what to do."""

    def __init__(self, kind: str, uri: str, found: str) -> None:
        self.kind = kind
        self.uri = uri
        self.found = found
        super().__init__(kind, uri, found)

    def __str__(self) -> str:
        return f"{self.uri}: {self.found}; {ADVICE[self.kind]}"


def translate(error: Exception, uri: str) -> StoreError:
    """The StoreError that an error of pyarrow or the system means."""
    if isinstance(error, StoreError):
        return error
    message = " ".join(str(error).split())[:300]
    if isinstance(error, FileNotFoundError):
        return StoreError("missing", uri, "there is nothing here")
    if isinstance(error, OSError) and error.errno in ERRNO_KINDS:
        return StoreError(ERRNO_KINDS[error.errno], uri, error.strerror or message)
    kind = next((kind for pattern, kind in S3_KINDS if re.search(pattern, message)), "invalid")
    return StoreError(kind, uri, message)
