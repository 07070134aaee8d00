"""Spreading specs that would lose rows, answer them twice, or pay for nothing: refused, with where and what to do."""

from __future__ import annotations

import re

import pytest

from rayjob.cli.specs import open_spec, open_text
from rayjob.spec.base import SpecError
from tests.shared_data import ROOT

BAD = ROOT / "tests" / "spec" / "bad"
HEAD = """\
rayjob: 1
name: spread
input: in.jsonl
taxonomy: ../small/taxonomy
models:
  worker: {model: openai/gpt-4o-mini}
  embedder: {model: openai/text-embedding-3-small}
output: out
steps:
"""
FIRST = 10  # the line of the first step
INTENT = "label: {name: character, dimensions: [intent], model: worker, prompt: ../small/prompts/character.j2}"
DIFFICULTY = "label: {name: second, dimensions: [difficulty], model: worker, prompt: ../small/prompts/character.j2}"
GENERATE = "generate: {model: worker, prompt: ../small/prompts/character.j2}"
TRUTH = "ask: {from: truth, fields: {intent: category}}"
SHEET = "ask: {from: sheet, sheet: s.csv, dimensions: [intent]}"
LEAVE = "propagate: {otherwise: leave}"
REVIEW = "propagate: {otherwise: review}"


def steps(**changed: str) -> str:
    """A whole spread, one line a step: `represent="…"` puts another in a step's place, or takes it out where empty."""
    usual = {
        "embed": "embed", "cluster": "", "represent": "represent: {budget: 100}", "ask": "ask",
        "propagate": "propagate", "label": INTENT, "more": "",
    }  # fmt: skip
    return "\n".join(line for line in (usual | changed).values() if line)


def problems(lines: str) -> list[str]:
    """What is wrong with a spec of these steps; nothing where it is fine."""
    text = HEAD + "".join(f"  - {line}\n" for line in lines.splitlines())
    try:
        open_text(text, f"{BAD}/spread.yaml")
    except SpecError as error:
        return [str(problem).removeprefix(f"{BAD}/") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "lines",
    [
        steps(),
        steps(propagate=LEAVE),
        steps(propagate=REVIEW, more=DIFFICULTY),
        steps(ask="ask: {dimensions: [intent]}", more=DIFFICULTY),  # the other is asked of every row
        steps(ask=TRUTH),
        steps(ask=TRUTH, label="", propagate=LEAVE),
        steps(ask=SHEET),
        steps(ask="ask: {from: sheet, sheet: s.csv}", label="", propagate=REVIEW),
        steps(ask="ask: {from: truth, fields: {intent: a, difficulty: b}, dimensions: [intent]}"),
        steps(cluster="cluster", represent="represent: {by_cluster: true}"),
        steps(represent="represent: {budget: 4, rounds: 2}"),
        steps(represent="represent: {budget: 0.1, rounds: 50}"),  # how many rows there are is not known yet
        steps(represent="represent: {audit_share: 1}"),
        steps(embed="embed: {model: embedder}"),
        steps(embed="embed: {model: all-MiniLM-L6-v2}"),
        steps(embed="embed: {model: BAAI/bge-small-en-v1.5}"),
        "\n".join(reversed(steps(cluster="cluster").splitlines())),  # what they read and write gives the order
    ],
)
def test_a_spread_that_can_be_carried_out_is_fine(lines: str) -> None:
    assert problems(lines) == []


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        (steps(more="propagate: {name: again}"), 6, r"steps\[5\].propagate: propagate stands on line 13 already"),
        (steps(more="ask: {name: again}"), 6, "ask stands on line 12 already, and a spec has one; keep one"),
        (steps(more="embed: {name: again}"), 6, "embed stands on line 10 already"),
        (steps(more="represent: {name: again}"), 6, "represent stands on line 11 already"),
        (steps(cluster="cluster", more="cluster: {name: again}"), 7, "cluster stands on line 11 already"),
        (f"{GENERATE}\n{GENERATE.replace('{', '{name: again, ')}\npair", 2, "generate stands on line 10 already"),
        (steps(propagate=""), 3, "ask buys the labels that `propagate` spreads, and this spec has no propagate step"),
        (steps(ask="", propagate=""), 2, "represent chooses the rows that `ask` buys labels for, and this spec has no"),
        (steps(ask=""), 2, "represent chooses the rows that `ask` buys labels for, and this spec has no ask step; add"),
        (steps(represent="", ask=TRUTH, label="", propagate=LEAVE), 2, "ask needs representative, which no step"),
        (steps(label="", propagate=LEAVE), 3, "ask needs a label step, and this spec has none"),
        (steps(ask=TRUTH, label=""), 4, "otherwise: label needs a label step, and this spec has none"),
        (steps(ask="ask: {dimensions: [intent, difficulty]}"), 3, r"ask.dimensions\[1\]: no step labels 'difficulty'"),
        (
            steps(ask="ask: {dimensions: [intent]}", propagate=LEAVE, more=DIFFICULTY), 6,
            r"steps\[5\].label.dimensions\[0\]: 'difficulty' would be labelled in bought rows alone",
        ),
        (steps(ask=SHEET, more=DIFFICULTY), 6, "'difficulty' would stay empty in the rows that `from: sheet` answers"),
        (steps(ask=TRUTH, more=DIFFICULTY), 6, "'difficulty' would stay empty in the rows that `from: truth` answers"),
        (
            steps(ask=TRUTH.replace("{intent", "{difficulty: level, intent")), 3,
            r"ask.fields.difficulty: 'difficulty' would stay empty where it is not accepted: no step labels it",
        ),
        (
            steps(ask="ask: {from: sheet, sheet: s.csv}", more=DIFFICULTY), 3,
            r"steps\[2\].ask: 'language' would stay empty where it is not accepted",
        ),
        (steps(ask=SHEET, propagate=LEAVE), 5, "no row comes to this step: `from: sheet`"),
        (steps(ask=TRUTH, propagate=REVIEW), 5, "no row comes to this step: `from: truth`"),
        (
            steps(ask="ask: {from: truth, fields: {intent: a}, dimensions: [intent, difficulty]}", more=DIFFICULTY), 3,
            r"ask.dimensions\[1\]: no field holds the truth of 'difficulty' \(have: intent\); add it to `fields`",
        ),
        (steps(ask="ask: {dimensions: []}"), 3, r"ask.dimensions: found \[\]; accepted: a list of 1 or more"),
        (steps(ask="ask: {dimensions: [intent, intent]}"), 3, "a dimension stands twice in dimensions"),
        (steps(ask="ask: {from: truth, fields: {intent: ''}}"), 3, "a dimension of `fields` has no field: write"),
        (steps(ask="ask: {from: sheet, sheet: ''}"), 3, "ask.sheet: found ''; accepted: a text that is not empty"),
        (steps(represent="represent: {by_cluster: true}"), 2, "represent.by_cluster: there are no clusters"),
        (steps(represent="represent: {audit_share: 0}"), 2, "audit_share: found 0; without audit rows no label"),
        (steps(represent="represent: {budget: 0}"), 2, "represent.budget: found 0; accepted: more than 0"),
        (steps(represent="represent: {budget: .inf}"), 2, "budget: found Infinity; accepted: a finite number"),
        (steps(represent="represent: {budget: 6, rounds: 4}"), 2, "rounds: found 4; .* leave 3 of them; .* most 2;"),
        (steps(represent="represent: {budget: 1, rounds: 2}"), 2, "rounds: found 2; .* leave 1 of them; .* most 1;"),
        (steps(represent="represent: {audit_share: 1, rounds: 3}"), 2, "rounds: found 3; .* leave 0 of them; .* 1;"),
        (steps(propagate="propagate: {precision: 1}"), 4, "propagate.precision: found 1; accepted: less than 1"),
        (steps(propagate="propagate: {risk: 0}"), 4, "propagate.risk: found 0; accepted: more than 0"),
        (steps(embed="embed: {model: embeder}"), 1, "embed.model: no model called 'embeder'; did you mean 'embedder'?"),
        (steps(embed="embed: {model: Offline}"), 1, "embed.model: no model called 'Offline'; did you mean 'offline'?"),
        (steps(embed="embed: {model: openai/text-embedding-3-small}"), 1, "is what the model 'embedder' calls; write"),
        (steps(embed="embed: {model: openai/text-embedding-3-large}"), 1, "stands behind an API: describe it under"),
        (steps(more=GENERATE), 6, "generate and ask each write the run's rows; put generate into a spec of its own"),
        (steps(more="choose: {weights: m.safetensors}"), 6, "choose and ask each write the run's rows"),
        (f"{INTENT}\n{GENERATE}", 2, "generate and label each write the run's rows; put generate into a spec"),
    ],
)  # fmt: skip
def test_a_spread_that_cannot_is_refused(lines: str, line: int, said: str) -> None:
    (problem,) = problems(lines)
    assert problem.startswith(f"spread.yaml:{FIRST + line - 1}: steps[{line - 1}].")
    assert re.search(said, problem), problem


def test_a_step_that_cannot_be_read_is_the_only_thing_wrong() -> None:
    found = problems(steps(cluster="cluster: {clusters: many}", represent="represent: {by_cluster: true}"))
    assert [re.sub(r"found .*", "", problem) for problem in found] == ["spread.yaml:11: steps[1].cluster.clusters: "]


def test_the_sheet_that_a_shipped_spec_proposes_is_fine() -> None:
    spec = str(ROOT / "specs" / "reasoning-spread.yaml")
    assert open_spec(spec, ["steps.3.ask={from: sheet, sheet: ../judgements.csv}"]).plan.stages
