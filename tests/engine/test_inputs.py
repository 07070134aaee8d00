"""Everything that a folder of input may hold: nothing of it ends a run, and every record is accounted for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.rig import Job, conversation, make_job

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


def chat(*turns: tuple[str, str], **more: object) -> str:
    return json.dumps({**more, "messages": [{"role": role, "content": text} for role, text in turns]})


FILES: dict[str, bytes] = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n  \n",
    "nothing.json": b"[]",
    "junk.jsonl": bytes(range(256)) * 8,
    "junk.parquet": b"PAR1" + bytes(range(256)) * 8,
    "broken.json": json.dumps([conversation(n) for n in range(900, 906)])[:-80].encode(),
    "broken.jsonl": f'{json.dumps(conversation(910))}\n{{"id": \n{json.dumps(conversation(911))}\n'.encode(),
    "huge.jsonl": chat(("user", "why? " * 1_000_000), ("assistant", "because")).encode(),
    "word.jsonl": chat(("user", "x" * 1_000_000), ("assistant", "y")).encode(),
    "turns.jsonl": b'{"messages": []}\n{"messages": null}\n{"conversations": [null, 3]}\n',
    "system.jsonl": chat(("system", "You help.")).encode(),
    "nulls.jsonl": b'{"messages": [{"role": "user", "content": null}, {"role": null, "content": "x"}]}\nnull\n',
    "surrogates.jsonl": chat(("user", "sort \ud800 this"), ("assistant", "ok \udfff")).encode(),
    "zeros.jsonl": chat(("user", "sort \0 this\0"), ("assistant", "ok")).encode(),
    "mixed.jsonl": b"\n".join(
        [
            json.dumps(conversation(920)).encode(),
            b'{"instruction": "sort", "input": "", "output": "sorted()"}',
            chat(("user", "sort"), ("assistant", "sorted()")).encode(),
        ]
    ),
    "same-ids.jsonl": "\n".join(json.dumps({**conversation(n), "id": "same"}) for n in range(930, 934)).encode(),
}
#: Readable records by file; everything else that was found is a failure with a reason.
GOOD = {
    "broken.jsonl": 2,
    "huge.jsonl": 1,
    "word.jsonl": 1,
    "surrogates.jsonl": 1,
    "zeros.jsonl": 1,
    "mixed.jsonl": 3,
    "same-ids.jsonl": 4,
}


def offline_job(folder: Path, files: dict[str, bytes]) -> Job:
    job = make_job(folder, "http://127.0.0.1:9/v1", 0)
    (folder / "input" / "rows.jsonl").unlink()
    for name, content in files.items():
        (folder / "input" / name).write_bytes(content)
    job.sets.append("models.worker={model: offline/lexical}")
    return job


def test_whatever_the_input_holds_every_record_is_accounted_for(cluster: str, tmp_path: Path) -> None:
    job = offline_job(tmp_path, FILES)
    done = job.call()
    assert done.code == 1, done.out
    uids = job.uids()
    assert set(uids.values()) == {1}
    assert job.manifest()["counts"]["total"] == len(uids)
    labelled = Counter(Path(source).name for source in job.column("labels", "source"))
    assert {name: labelled[name] for name in GOOD} == GOOD
    failed = {Path(source).name for source in job.column("failures", "source")}
    assert {
        "junk.jsonl",
        "junk.parquet",
        "broken.json",
        "broken.jsonl",
        "turns.jsonl",
        "system.jsonl",
        "nulls.jsonl",
    } <= failed
    assert set(job.column("failures", "kind")) <= {"unreadable", "empty"}
    assert all(job.column("failures", "message"))
    assert not {"empty.jsonl", "blank.jsonl", "nothing.json"} & (failed | set(labelled))


def test_an_input_without_records_is_a_run_that_ends(cluster: str, tmp_path: Path) -> None:
    job = offline_job(tmp_path, {"empty.jsonl": b""})
    done = job.call()
    assert done.code in (0, 2), done.out
    assert "Traceback" not in done.out
