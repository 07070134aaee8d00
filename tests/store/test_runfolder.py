"""Hidden files of a run folder are half-written; a run folder may itself stand in a hidden one."""

from __future__ import annotations

from pathlib import Path

from rayjob.store.runfolder import RunFolder


def test_only_what_is_hidden_below_the_folder_is_left_out(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path / ".cache" / "run"))
    for name in ("a.parquet", "below/b.parquet", ".c.parquet", ".below/d.parquet", "e.json"):
        file = tmp_path / ".cache" / "run" / "labels" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    assert [uri.rpartition("labels/")[2] for uri in folder.parquet("labels")] == ["a.parquet", "below/b.parquet"]
