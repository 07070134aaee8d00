"""Outputs that cannot be written: told in a sentence, exit 2 or 3, what was committed stays readable."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.rig import make_job, provider

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_the_run_and_it_goes_on_elsewhere_later(
    cluster: str, tmp_path: Path, small_disk: Path
) -> None:
    with provider(latency_s=0.02) as (server, paid):
        job = make_job(tmp_path, server.url, 600, concurrency=16)
        job.output = str(small_disk / "out")
        done = job.call(sets=["output={path: x, rows_per_file: 20}"])
        assert done.code in (2, 3), done.out
        assert "No space left" in done.out
        assert "Traceback" not in done.out
        readable = len(job.column("labels", "uid"))
        subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
        before = paid.total()
        assert job.call(sets=["output={path: x, rows_per_file: 20}"]).code == 0
        assert (len(job.uids()), set(job.uids().values())) == (600, {1})
        assert paid.total() >= before
        assert readable <= 600


def test_a_read_only_output_is_refused(cluster: str, tmp_path: Path) -> None:
    job = make_job(tmp_path, "http://127.0.0.1:9/v1", 2)
    job.output = "/proc/rayjob-cannot-write-here/out"
    done = job.call()
    assert done.code == 2
    assert "/proc/rayjob-cannot-write-here" in done.out


def test_an_output_that_vanishes_ends_the_run_in_a_sentence(cluster: str, tmp_path: Path) -> None:
    with provider(latency_s=0.2) as (server, paid):
        job = make_job(tmp_path, server.url, 100, concurrency=4)

        def vanish(body: dict[str, object]) -> str:
            if paid.total() == 20:
                os.rename(job.out, tmp_path / "gone")
                (tmp_path / "out").write_text("a file stands where the folder stood")
            return paid(body)

        server.script.answer = vanish
        done = job.call()
        assert done.code in (2, 3), done.out
        assert str(job.out) in done.out
        assert "Traceback" not in done.out
        os.unlink(tmp_path / "out")
        shutil.move(tmp_path / "gone", job.out)
        server.script.answer = paid
        assert job.call().code == 0
        assert (len(job.uids()), set(job.uids().values())) == (100, {1})
