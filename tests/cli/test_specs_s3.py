"""A spec on S3, with its taxonomy, prompts and rules there: the same plan as from the local disk, the same refusals."""

from __future__ import annotations

import pytest

from rayjob.cli.specs import open_spec
from rayjob.plan.fingerprint import fingerprint_parts
from rayjob.spec.base import SpecError
from rayjob.store import files
from tests.plan.test_fingerprint import SMALL, SPEC
from tests.s3_server import s3, s3_process

__all__ = ["s3", "s3_process"]
pytestmark = pytest.mark.s3


def upload(prefix: str) -> None:
    for path in sorted(SMALL.rglob("*")):
        if path.is_file():
            files.write_atomic(f"{prefix}/{path.relative_to(SMALL).as_posix()}", path.read_bytes())


def test_a_spec_and_all_it_names_may_lie_on_s3(s3: str) -> None:
    upload("s3://bucket/job")
    files.write_atomic(
        "s3://bucket/job/specs/a.yaml",
        SPEC.replace(": taxonomy", ": ../taxonomy")
        .replace("prompts/", "../prompts/")
        .replace("rules.yaml", "../rules.yaml"),
    )
    opened = open_spec("s3://bucket/job/specs/a.yaml")
    assert opened.resolved.job.taxonomy == "s3://bucket/job/taxonomy"
    assert opened.resolved.job.output.path == "s3://bucket/job/specs/out"
    assert [stage.name for stage in opened.plan.stages] == ["1-prepare", "2-label+arbitrate"]
    assert "rules" in fingerprint_parts(opened.resolved)


def test_what_is_not_there_is_said_all_at_once(s3: str) -> None:
    files.write_atomic("s3://bucket/lonely/a.yaml", SPEC)
    with pytest.raises(SpecError) as caught:
        open_spec("s3://bucket/lonely/a.yaml")
    said = [str(problem) for problem in caught.value.problems]
    assert [problem.split(": ")[1] for problem in said] == [
        "taxonomy", "steps[1].label.prompt", "rules",
    ]  # fmt: skip
    assert said[0].startswith("s3://bucket/lonely/a.yaml:5: taxonomy: s3://bucket/lonely/taxonomy holds no dimension")
    with pytest.raises(SpecError, match=r"s3://bucket/none\.yaml: cannot read the spec: no such file"):
        open_spec("s3://bucket/none.yaml")
