"""Where S3 is: endpoint and region from the environment, else from the AWS profile.

Credentials are the AWS SDK's to find.
"""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

#: Attempts of one request, with the AWS SDK's back-off. RAYJOB_S3_ATTEMPTS in the environment says otherwise.
ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class S3Settings:
    """What an S3 client is made with; "" leaves it to the SDK."""

    endpoint: str
    region: str
    attempts: int


def find_settings() -> S3Settings:
    """AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION; else endpoint_url and region of the
    profile.
    """
    profile = _read_profile()
    endpoint = _first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or profile.get("endpoint_url", "")
    region = _first("AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region", "")
    if endpoint and not region:
        region = "us-east-1"  # other S3 servers ignore it; without it the SDK asks a cloud's metadata service and waits
    return S3Settings(endpoint, region, int(os.environ.get("RAYJOB_S3_ATTEMPTS") or ATTEMPTS))


def _first(*names: str) -> str:
    return next((value for name in names if (value := os.environ.get(name))), "")


def _read_profile() -> dict[str, str]:
    """The section of AWS_PROFILE (else default) in the AWS config file; empty where there is none or it cannot be
    read.
    """
    path = Path(os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config")
    name = _first("AWS_PROFILE") or "default"
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return {}  # the SDK reads the same file and says what is wrong with it
    section = next((title for title in (f"profile {name}", name) if parser.has_section(title)), "")
    return dict(parser[section]) if section else {}
