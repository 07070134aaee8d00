"""layout: shared_prefix: calls of a row differ in the question alone; rows, in nothing before the conversation."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from rayjob.labels.answer import answer_schema, parse_answer
from rayjob.labels.excerpt import fence_for
from rayjob.labels.lexical_prompt import read_request
from rayjob.labels.prompt import Message, Template
from rayjob.labels.tags import resolve
from tests.labels.test_taxonomy_prompts import CALLS, FILES, ROW, TAXONOMY, dims

TEMPLATES = {call: Template(FILES[f"{call}.shared.j2"], f"{call}.shared.j2", FILES) for call in CALLS}


def render(call: str, transcript: str = "[user]\nhello") -> list[Message]:
    bound = TEMPLATES[call].bind(dimensions=dims(CALLS[call]), taxonomy=TAXONOMY.dimensions)
    return bound.render(**ROW, transcript=transcript, fence=fence_for(transcript))


def test_both_calls_of_a_row_are_the_same_up_to_the_question() -> None:
    character, capability = render("character"), render("capability")
    assert character[:-1] == capability[:-1]
    one, other = character[-1].content, capability[-1].content
    shared = one[: one.index("Answer these dimensions")]
    assert other.startswith(shared)
    assert shared.endswith("hello\n=====CONVERSATION=====\nLabel the last turn of this conversation. ")


@pytest.mark.parametrize("call", CALLS)
def test_all_but_the_last_message_is_the_same_for_every_row(call: str) -> None:
    one, other = render(call, "[user]\none"), render(call, "[user]\nother, longer")
    bound = TEMPLATES[call].bind(dimensions=dims(CALLS[call]), taxonomy=TAXONOMY.dimensions)
    assert bound.prefix == one[:-1] == other[:-1]
    assert [message.role for message in one] == ["system", *["user", "assistant"] * 6, "user"]


def test_every_tag_of_every_dimension_is_listed_once() -> None:
    system = render("character")[0].content.splitlines()
    listed = [line.split(":")[0].removeprefix("- ") for line in system if line.startswith("- ") and ": " in line]
    for dimension in TAXONOMY.dimensions.values():
        assert {tag.id: listed.count(tag.id) for tag in dimension.tags} == dict.fromkeys(dimension.pool, 1)


def test_examples_answer_the_dimensions_that_their_question_names() -> None:
    asked = 0
    for question, answer in pairwise(render("character")):
        if answer.role != "assistant":
            continue
        given = json.loads(answer.content)
        names = tuple(name for name in given if name in TAXONOMY.dimensions)
        assert f"Answer these dimensions and no others: {', '.join(names)}." in question.content
        assert names in CALLS.values()
        resolved = resolve(parse_answer(answer.content, dims(names)), dims(names), TAXONOMY, "exact")
        assert resolved.issues == ()
        asked += 1
    assert asked == 6


def test_the_same_examples_stand_in_both_layouts() -> None:
    shared = [message.content for message in render("character") if message.role == "assistant"]
    own = []
    for call in CALLS:
        template = Template(FILES[f"{call}.j2"], f"{call}.j2", FILES)
        bound = template.bind(dimensions=dims(CALLS[call]), taxonomy=TAXONOMY.dimensions)
        own += [message.content for message in bound.prefix if message.role == "assistant"]
    assert shared == own


def test_the_second_call_waits_for_the_first_as_in_the_other_layout() -> None:
    assert TEMPLATES["character"].label_reads == frozenset()
    assert TEMPLATES["capability"].label_reads == frozenset(CALLS["character"])
    assert "Known so far: intent build; language python;" in render("capability")[-1].content


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("with_schema", [True, False])
def test_the_offline_model_finds_transcript_hints_and_dimensions(call: str, with_schema: bool) -> None:
    messages = [message.to_dict() for message in render(call, "[user]\nWrite a queue.\n\n[assistant]\nDone.")]
    schema = answer_schema(dims(CALLS[call])) if with_schema else {}
    request = read_request(messages, schema, list(TAXONOMY.dimensions))
    assert request.dimensions == CALLS[call]
    assert (request.evidence.query, request.evidence.reply) == ("Write a queue.", "Done.")
    assert request.evidence.languages == ("python",)
    messages[-1]["content"] += "\n\nAnswer only these dimensions this time: context, intent."
    assert read_request(messages, {}, list(TAXONOMY.dimensions)).dimensions == ("intent", "context")
