"""Specs as they are loaded: short forms, overrides, names of steps, and any text at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.spec.base import SpecError
from rayjob.spec.load import LoadedSpec, dump_spec, load_spec, show_yaml
from rayjob.spec.model import JobSpec

SPEC = """
rayjob: 1
name: small
input: data/*.jsonl
taxonomy: taxonomy
models:
  worker: {model: openai/gpt-4o-mini, temperature: 0.1}
steps:
  - prepare
  - label: {name: character, dimensions: [intent], model: worker, prompt: character.j2}
  - label: {dimensions: [language], model: worker, prompt: capability.j2}
  - label: {dimensions: [domain], model: worker, prompt: capability.j2}
output: out
"""


def refused(text: str, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(text, "a.yaml", overrides)
    return [str(problem) for problem in caught.value.problems]


def test_short_forms_are_paths() -> None:
    job = load_spec(SPEC, "a.yaml").job
    assert (job.input.path, job.output.path) == ("data/*.jsonl", "out")
    assert load_spec(SPEC, "a.yaml", ["input=[a, b]", "rules=r.yaml"]).job.input.paths == ("a", "b")


def test_unnamed_steps_are_told_apart() -> None:
    assert [step.name for step in load_spec(SPEC, "a.yaml").job.steps] == ["prepare", "character", "label", "label-2"]


def test_problems_know_the_line_of_a_step() -> None:
    loaded = load_spec(SPEC, "a.yaml")
    assert str(loaded.text.problem((*loaded.step_path(2), "model"), "x")) == "a.yaml:11: steps[2].label.model: x"


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("models.worker.temperature=0.7", ("models", "worker", "temperature"), 0.7),
        (
            "models.worker.api_base=http://127.0.0.1:8900/v1",
            ("models", "worker", "api_base"),
            "http://127.0.0.1:8900/v1",
        ),
        ("models.judge={model: openai/x, max_tokens: 7}", ("models", "judge", "max_tokens"), 7),
        ("models.worker.params.top_p=0.5", ("models", "worker", "params", "top_p"), 0.5),
        ("models.worker.limits.rpm=60", ("models", "worker", "limits", "rpm"), 60.0),
        ("output.path=s3://b/out", ("output", "path"), "s3://b/out"),
        ("output=s3://b/out", ("output", "path"), "s3://b/out"),
        ("output.rows_per_file=10", ("output", "path"), "out"),
        ("input.limit=5", ("input", "limit"), 5),
        ("input.path=a=b.json", ("input", "path"), "a=b.json"),
        ("run.actors.max=3", ("run", "actors", "max"), 3),
        ("steps.0.prepare.slice=last_turn", ("steps", 0, "prepare", "slice"), "last_turn"),
        ("steps.1.label.temperature=0", ("steps", 1, "label", "temperature"), 0.0),
        ("steps.1.label.dimensions.0=domain", ("steps", 1, "label", "dimensions", 0), "domain"),
        ("budget.usd=5", ("budget", "usd"), 5.0),
        ("calibration=", ("calibration",), ""),
        ("taxonomy=null", ("taxonomy",), None),
    ],
)
def test_overrides_set_anything(override: str, path: tuple[str | int, ...], value: object) -> None:
    here: object = json.loads(json.dumps(dump_spec(load_spec(SPEC, "a.yaml", [override]).job)))
    for part in path:
        here = here[part]  # type: ignore[index]
    assert here == value


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("models", "--set: found 'models'; accepted: a.dotted.path=value"),
        ("=3", "--set: found ''; accepted: a.dotted.path=value"),
        ("steps.4.label.model=x", "--set steps.4.label.model: '4' is no position in a list of 4 (the first is 0)"),
        ("steps.one.label=x", "--set steps.one.label: 'one' is no position in a list of 4 (the first is 0)"),
        ("name.first=x", "--set name.first: cannot go into 'name': it holds 'small'"),
        ("name=[a", "--set name:2: not YAML: did not find expected ',' or ']'"),
        ("name=*a", "--set name:1: not YAML: an alias (*name); write the value out"),
        ("models.worker.max_token=5", "--set: models.worker.max_token: unknown key 'max_token'"),
        ("run.stall_s=soon", "--set: run.stall_s: found 'soon'; accepted: a number"),
        ("models.worker.api_key=sk-secret", "--set: models.worker.api_key: unknown key 'api_key'"),
        ("steps.1.label.model=", "--set: steps[1].label.model"),
    ],
)  # fmt: skip
def test_a_bad_override_says_so(override: str, said: str) -> None:
    if override == "steps.1.label.model=":
        assert load_spec(SPEC, "a.yaml", [override]).job.steps[1].settings.model_dump()["model"] == ""
        return
    found = refused(SPEC, override)
    assert len(found) == 1
    assert found[0].startswith(said)
    assert "sk-secret" not in found[0]


def test_overrides_come_one_after_the_other() -> None:
    job = load_spec(SPEC, "a.yaml", ["budget.usd=5", "budget.usd=6"]).job
    assert job.budget is not None
    assert job.budget.usd == 6


def test_the_resolved_spec_loads_as_the_same() -> None:
    job = load_spec(SPEC.replace("output:", "  - embed\n  - ask: {from: truth, fields: {a: b}}\noutput:"), "a.yaml").job
    dumped = dump_spec(job)
    for text in (json.dumps(dumped), show_yaml(job)):
        again = load_spec(text, "run.json").job
        assert dump_spec(again) == dumped
        assert [step.name for step in again.steps] == [step.name for step in job.steps]


def load_or_refuse(text: str, *overrides: str) -> None:
    """Whatever the text: a spec, or a SpecError with at least one problem, each on one line."""
    problems: list[str] | None = None
    try:
        assert isinstance(load_spec(text, "a.yaml", overrides), LoadedSpec)
    except SpecError as error:
        problems = [str(problem) for problem in error.problems]
    assert problems is None or (problems and all(problem.isprintable() for problem in problems))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*JobSpec.model_fields, "worker", "label", "model", "when", "path"])
known = st.recursive(
    json_values, lambda inner: st.dictionaries(keys, inner, max_size=5) | st.lists(inner, max_size=3), max_leaves=20
)


@given(st.text(max_size=200) | st.text("abc:-[]{}&*!|>'\"#%@` \n\t0", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    load_or_refuse(text)
    load_or_refuse(SPEC + text)


@given(st.dictionaries(keys, known, max_size=8), st.lists(known, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_value_in_any_place_is_a_spec_or_refused(spec: dict[str, object], steps: list[object]) -> None:
    load_or_refuse(json.dumps({**spec, "steps": steps}))
    load_or_refuse(
        json.dumps({"rayjob": 1, "name": "a", "input": "a", "output": "b", **spec, "steps": [{"label": steps}]})
    )


@given(st.lists(keys | st.text(max_size=5) | st.integers(0, 4).map(str), min_size=1, max_size=5), st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_override_is_taken_or_refused(path: list[str], value: str) -> None:
    load_or_refuse(SPEC, f"{'.'.join(path)}={value}")
    load_or_refuse(SPEC, value)
