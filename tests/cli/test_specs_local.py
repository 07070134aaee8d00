"""A spec that is not where it was said to be: the message names the one that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayjob.cli.specs import open_spec
from rayjob.spec.base import SpecError


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("specs/quickstrat.yaml", "no such file; did you mean specs/quickstart.yaml?"),
        ("quickstart", "no such file; did you mean specs/quickstart.yaml?"),
        ("specs", "it is a folder; did you mean specs/quickstart.yaml?"),
        ("else.yaml", "no such file"),
    ],
)
def test_a_spec_named_wrongly(path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "quickstart.yaml").write_text("rayjob: 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        open_spec(path)
    assert str(caught.value) == f"{path}: cannot read the spec: {said}"
