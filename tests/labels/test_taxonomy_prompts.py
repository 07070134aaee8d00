"""The shipped prompts: made of the taxonomy alone, whole for any subset of dimensions, mostly alike for every row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations

import pytest

from rayjob.labels.answer import parse_answer
from rayjob.labels.conversation import parse_record
from rayjob.labels.excerpt import fence_for, make_excerpt
from rayjob.labels.prompt import Message, Template
from rayjob.labels.signals import find_signals
from rayjob.labels.tags import resolve
from rayjob.labels.taxonomy import Dimension
from tests.labels.test_taxonomy_shipped import load
from tests.shared_data import ROOT, shared

TAXONOMY = load()
CALLS = {
    "character": ("intent", "language", "domain", "task", "difficulty"),
    "capability": ("concept", "agentic", "constraint", "context"),
}
FILES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "prompts" / "code-sft").glob("*.j2")}
TEMPLATES = {call: Template(FILES[f"{call}.j2"], f"{call}.j2", FILES) for call in CALLS}
ROW = {
    "signals": {"languages": ["python"]},
    "labels": {"intent": "build", "language": ["python"], "domain": [], "task": ["bug-fixing"], "difficulty": "expert"},
    "query": "", "answer": "", "reasoning": "", "metadata": {}, "turn": 0,
}  # fmt: skip


def dims(names: tuple[str, ...]) -> list[Dimension]:
    return [TAXONOMY.dimensions[name] for name in names]


def render(call: str, names: tuple[str, ...], transcript: str = "[user]\nhello") -> list[Message]:
    bound = TEMPLATES[call].bind(dimensions=dims(names), taxonomy=TAXONOMY.dimensions)
    return bound.render(**ROW, transcript=transcript, fence=fence_for(transcript))


def subsets() -> Iterator[tuple[str, tuple[str, ...]]]:
    for call, names in CALLS.items():
        for size in range(1, len(names) + 1):
            yield from ((call, subset) for subset in combinations(names, size))


@pytest.mark.parametrize(("call", "names"), list(subsets()))
def test_examples_answer_what_is_asked_with_tags_that_exist(call: str, names: tuple[str, ...]) -> None:
    answers = [message.content for message in render(call, names) if message.role == "assistant"]
    assert len(answers) >= 2
    for text in answers:
        given = json.loads(text)
        assert list(given) == [*names, "confidence", "unmapped"]
        assert list(given["confidence"]) == list(names)
        resolved = resolve(parse_answer(text, dims(names)), dims(names), TAXONOMY, "exact")
        assert resolved.issues == ()
        assert all(0.3 <= (value or 0) < 1 for value in resolved.confidence.values())


@pytest.mark.parametrize(("call", "names"), list(subsets()))
def test_a_tag_is_listed_once_and_only_where_it_is_asked_for(call: str, names: tuple[str, ...]) -> None:
    system = render(call, names)[0].content.splitlines()
    listed = [line.split(":")[0].removeprefix("- ") for line in system if line.startswith("- ") and ": " in line]
    for dimension in TAXONOMY.dimensions.values():
        expected = 1 if dimension.name in names else 0
        assert {tag.id: listed.count(tag.id) for tag in dimension.tags} == dict.fromkeys(dimension.pool, expected)


@pytest.mark.parametrize("call", CALLS)
def test_the_text_of_a_call_does_not_spell_out_pools_it_does_not_ask_for(call: str) -> None:
    text = "\n".join(message.content for message in render(call, CALLS[call]))
    for dimension in TAXONOMY.dimensions.values():
        share = sum(tag.id in text for tag in dimension.tags) / len(dimension.tags)
        assert (share == 1) if dimension.name in CALLS[call] else (share < 0.5), dimension.name


@pytest.mark.parametrize("call", CALLS)
def test_only_the_last_message_differs_between_rows(call: str) -> None:
    one, other = render(call, CALLS[call], "[user]\none"), render(call, CALLS[call], "[user]\nother, longer")
    assert one[:-1] == other[:-1]
    assert [message.role for message in one] == ["system", *["user", "assistant"] * 3, "user"]
    bound = TEMPLATES[call].bind(dimensions=dims(CALLS[call]), taxonomy=TAXONOMY.dimensions)
    assert bound.prefix == one[:-1]


def test_capability_waits_for_character_and_character_for_nothing() -> None:
    assert TEMPLATES["character"].label_reads == frozenset()
    assert TEMPLATES["capability"].label_reads == frozenset(CALLS["character"])
    assert "Known so far: intent build; language python; domain none; task bug-fixing; difficulty expert" in (
        render("capability", CALLS["capability"])[-1].content
    )


@pytest.mark.parametrize("call", CALLS)
def test_a_conversation_cannot_close_its_fence(call: str) -> None:
    text = "[user]\nlook:\n==== example 1 ====\n" + fence_for("[user]\n")
    last = render(call, CALLS[call], text)[-1].content
    lines, fence = last.splitlines(), fence_for(text)
    assert lines.count(fence) == 2
    assert last.split(f"{fence}\n")[1] == text + "\n"


def test_map_shows_each_unmapped_tag_with_its_candidates() -> None:
    tags = TAXONOMY.dimensions["task"].tags[:2]
    unmapped = [
        {"dimension": "task", "value": 'au"to\nmation', "candidates": tags},
        {"dimension": "", "value": "cuda", "candidates": TAXONOMY.dimensions["language"].tags[:1]},
    ]
    last = Template(FILES["map.j2"], "map.j2", FILES).render(unmapped=unmapped)[-1].content
    assert '1. label "au\\"to\\nmation" in the dimension "task"' in last
    assert f"   - {tags[1].id}: {tags[1].description}\n" in last
    assert '2. label "cuda"\n' in last


@pytest.mark.parametrize("call", CALLS)
def test_the_shared_prefix_is_most_of_the_input_of_gold108(call: str) -> None:
    records = json.loads(shared("gold108/raw_samples.json").read_text(encoding="utf-8"))
    bound = TEMPLATES[call].bind(dimensions=dims(CALLS[call]), taxonomy=TAXONOMY.dimensions)
    prefix = sum(len(message.content) for message in bound.prefix)
    total = 0
    for record in records:
        conversation = parse_record(record)
        transcript = make_excerpt(conversation.turns, 20_000).text
        row = {**ROW, "signals": find_signals(conversation).to_json(), "transcript": transcript}
        messages = bound.render(**row, fence=fence_for(transcript))
        total += sum(len(message.content) for message in messages)
    assert prefix * len(records) / total >= 0.6
