"""Local files: globs, listings, atomic writes, and errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rayjob.store import files
from rayjob.store.address import parse_address
from rayjob.store.errors import StoreError, translate
from rayjob.store.kinds import is_known, split_kind
from rayjob.store.s3settings import find_settings

NAMES = ("a.jsonl", "b.json", "sub/c.jsonl.gz", "sub/d.parquet", "sub/deep/e.ndjson.zst", "readme.md", ".hidden.jsonl",
         "_tmp/f.jsonl", "sub/g.parquet.gz")  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}")
    return tmp_path


def names(listing: files.Listing) -> list[str]:
    return [file.name for file in listing.files]


def test_a_folder_gives_the_files_of_known_kinds_and_says_what_it_leaves_out(tree: Path) -> None:
    listing = files.list_input(str(tree))
    assert names(listing) == ["a.jsonl", "b.json", "sub/c.jsonl.gz", "sub/d.parquet", "sub/deep/e.ndjson.zst"]
    left = [uri.removeprefix(f"{tree}/") for uri in listing.ignored]
    assert left == [".hidden.jsonl", "_tmp/f.jsonl", "readme.md", "sub/g.parquet.gz"]
    assert [file.format for file in listing.files] == ["jsonl", "json", "jsonl", "parquet", "jsonl"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jsonl", [".hidden.jsonl", "a.jsonl"]),
        ("?.json*", ["a.jsonl", "b.json"]),
        ("**/*.zst", ["sub/deep/e.ndjson.zst"]),
        ("sub/*", ["c.jsonl.gz", "d.parquet", "g.parquet.gz"]),
        ("*/c.*", ["sub/c.jsonl.gz"]),
        ("sub/**", ["c.jsonl.gz", "d.parquet", "deep/e.ndjson.zst", "g.parquet.gz"]),
    ],
)
def test_globs(tree: Path, pattern: str, found: list[str]) -> None:
    assert names(files.list_input(f"{tree}/{pattern}")) == found


def test_names_are_unique_over_several_paths_and_no_file_comes_twice(tree: Path) -> None:
    (tree / "other").mkdir()
    (tree / "other" / "a.jsonl").write_bytes(b"{}")
    listing = files.list_input([f"{tree}/a.jsonl", f"{tree}/other/a.jsonl", f"{tree}/*.json", f"{tree}/a.jsonl"])
    assert names(listing) == [f"{tree}/a.jsonl"[1:], f"{tree}/other/a.jsonl"[1:], "b.json"]


def test_only_parquet(tree: Path) -> None:
    assert names(files.list_input(str(tree), "parquet")) == ["sub/d.parquet"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("none.jsonl", "there is nothing here; check the path"),
        ("*.csv", "no file matches"),
        ("empty", "no file to read in this folder; accepted: .json, .jsonl"),
    ],
)
def test_an_input_of_nothing_is_missing(tree: Path, path: str, says: str) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(StoreError) as caught:
        files.list_files(f"{tree}/{path}")
    assert caught.value.kind == "missing"
    assert str(caught.value).startswith(f"{tree}/{path}: ")
    assert says in str(caught.value)


def test_an_atomic_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "run.json"
    files.write_atomic(target, b"one")
    files.write_atomic(str(target), "zwei")
    assert files.read_text(target) == "zwei"
    assert os.listdir(target.parent) == ["run.json"]


def test_a_failed_write_keeps_the_old_file_and_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StoreError) as caught:
        files.write_atomic(tmp_path / "taken", b"no")
    assert caught.value.kind == "invalid"
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), "full"),
        (OSError(30, "Read-only file system"), "readonly"),
        (PermissionError(13, "Permission denied"), "denied"),
        (FileNotFoundError(2, "gone"), "missing"),
        (OSError("AWS Error ACCESS_DENIED during GetObject operation"), "denied"),
        (OSError("AWS Error NO_SUCH_BUCKET during PutObject operation"), "missing"),
        (OSError("AWS Error SLOW_DOWN during GetObject operation"), "unreachable"),
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 28, Timeout was reached"), "unreachable"),
        (ValueError("what"), "invalid"),
    ],
)
def test_errors_are_translated(error: Exception, kind: str) -> None:
    translated = translate(error, "s3://bucket/key")
    assert translated.kind == kind
    assert str(translated).startswith("s3://bucket/key: ")


def test_addresses() -> None:
    assert parse_address("file:///tmp/x").path == "/tmp/x"
    assert parse_address("rel/x").path == os.path.abspath("rel/x")
    assert parse_address("s3://b/k/").uri == "s3://b/k"
    assert files.join("s3://b/k/", "labels", "x") == "s3://b/k/labels/x"


def test_text_that_is_not_utf8_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: \xff")
    with pytest.raises(StoreError, match="not UTF-8 at offset 3"):
        files.read_text(tmp_path / "x.yaml")


def test_kinds() -> None:
    assert split_kind("a/B.JSONL.GZ") == ("jsonl", ".gz")
    assert split_kind("a.txt") == ("json", "")
    assert not is_known("a.parquet.gz")
    assert is_known("x.PQ")


def test_endpoint_and_region_come_from_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = a\n[profile lab]\nregion = b\nendpoint_url = http://lab:9000\n")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert (find_settings().endpoint, find_settings().region) == ("", "a")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert (find_settings().endpoint, find_settings().region) == ("http://lab:9000", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://here:1")
    assert find_settings().endpoint == "http://here:1"
