"""offline/lexical: answers through LiteLLM like any provider, never outside the pools, and never sure."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayjob.labels.answer import answer_schema, parse_answer
from rayjob.labels.taxonomy import Taxonomy, parse_taxonomy
from rayjob.llm.offline import OfflineModel, map_tags, register_offline
from rayjob.llm.transport import Call, response_format
from rayjob.spec.models import ModelSpec
from tests.labels.small import SMALL

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = "=====CONVERSATION====="


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    files = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "taxonomy/code-sft").glob("*.yaml")}
    return parse_taxonomy(files)[0]


def prompt(transcript: str, hints: str = "") -> list[dict[str, str]]:
    text = f"{hints}\n{FENCE}\n{transcript}\n{FENCE}\nLabel the last turn. JSON only."
    return [{"role": "system", "content": 'Answer {"intent": …}'}, {"role": "user", "content": text}]


def ask(taxonomy: Taxonomy, transcript: str, hints: str = "") -> dict[str, Any]:
    schema = answer_schema(list(taxonomy.dimensions.values()))
    answer: dict[str, Any] = json.loads(OfflineModel(taxonomy).answer(prompt(transcript, hints), schema))
    return answer


LINES = "\n".join(f"x{n} = {n}" for n in range(30))
SAMPLES = {
    "learn": ("[user]\nWhat is the difference between a mutex and a semaphore?\n\n[assistant]\nA mutex …", "learn"),
    "build": (f"[user]\nWrite a script that renames photos.\n\n[assistant]\n```python\n{LINES}\n```", "build"),
    "debug": (
        "[user]\nMy server crashes with a segfault at start. Traceback below.\n\n[assistant]\nThe cause …",
        "debug",
    ),
    "review": ("[user]\nReview my pull request, please.\n\n[assistant]\nThree remarks …", "review"),
    "decide": ("[user]\nTokio or async-std: which should I use?\n\n[assistant]\nTokio, because …", "decide"),
    "chinese": ("[user]\n为什么这里要用锁？请解释一下\n\n[assistant]\n因为……", "learn"),
}


@pytest.mark.parametrize(("transcript", "intent"), SAMPLES.values(), ids=SAMPLES)
def test_intent_follows_what_the_user_asks(taxonomy: Taxonomy, transcript: str, intent: str) -> None:
    assert ask(taxonomy, transcript)["intent"] == intent


def test_languages_come_from_hints_and_without_them_from_the_code(taxonomy: Taxonomy) -> None:
    transcript = "[user]\nhi\n\n[assistant]\n```rust\nfn main() {}\n```"
    assert ask(taxonomy, transcript)["language"] == ["rust"]
    assert ask(taxonomy, transcript, 'Hints: {"languages":["go","sql"]}')["language"] == ["go", "sql"]


def test_subjects_demands_and_actions(taxonomy: Taxonomy) -> None:
    said = ask(
        taxonomy,
        "[user]\nWrite a thread-safe LRU cache with TTL eviction for our Django backend.\n\n[assistant]\nI look.\n"
        '[calls bash] {"command": "git status"}\n\n[tool bash]\nclean\n\n[assistant]\nDone.',
    )
    assert "caching" in said["concept"]
    assert said["constraint"] == ["thread-safe"]
    assert "web-backend" in said["domain"]
    assert {"bash-execution", "git-operations"} <= set(said["agentic"])
    assert ask(taxonomy, "[user]\nrun bash and git status\n\n[assistant]\nno")["agentic"] == []


def test_it_is_never_sure_and_least_of_all_where_nothing_was_found(taxonomy: Taxonomy) -> None:
    confident = ask(taxonomy, SAMPLES["decide"][0])["confidence"]
    guess = ask(taxonomy, "[user]\nhm\n\n[assistant]\nhm")["confidence"]
    assert max(confident.values()) <= 0.85
    assert max(guess.values()) <= 0.45
    assert guess["intent"] < confident["intent"]


def test_text_after_the_fence_and_instructions_inside_it_change_nothing(taxonomy: Taxonomy) -> None:
    plain = ask(taxonomy, SAMPLES["learn"][0])
    again = OfflineModel(taxonomy).answer(
        [{"role": "user", "content": prompt(SAMPLES["learn"][0])[1]["content"] + "\nThat answer cannot be used: …"}],
        answer_schema(list(taxonomy.dimensions.values())),
    )
    assert json.loads(again) == plain


def test_without_a_schema_the_prompt_says_which_dimensions() -> None:
    model = OfflineModel(SMALL)
    spoken = prompt("[user]\nhi")
    spoken[0]["content"] = '{"language": [], "context": ""}'
    assert list(json.loads(model.answer(spoken, {})))[:2] == ["language", "context"]
    spoken[1]["content"] += "\n\nAnswer only these dimensions this time: context."
    assert next(iter(json.loads(model.answer(spoken, {})))) == "context"
    assert "ranks the tags of a taxonomy" in model.answer([{"role": "user", "content": "Tell me a joke"}], {})


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300))
def test_any_conversation_gets_an_answer_from_the_pools(text: str) -> None:
    dims = list(SMALL.dimensions.values())
    answer = parse_answer(OfflineModel(SMALL).answer(prompt(text), answer_schema(dims)), dims)
    for dim in dims:
        value = answer.values[dim.name]
        assert set(value if isinstance(value, list) else [value]) <= dim.pool
    assert answer.issues == ()


def test_a_map_prompt_is_answered_by_spelling_alone() -> None:
    asked = (
        '1. label "unit_testing" of dimension concept\n\n   - testing: T.\n   - unit-testing: U.\n'
        '2. label "quantum \\"x\\""\n\n   - caching: C.\n'
    )
    assert map_tags(asked) == {"1": "unit-testing", "2": "none"}
    schema = {"properties": {"1": {"type": "string"}, "2": {"type": "string"}}}
    assert json.loads(OfflineModel(SMALL).answer([{"role": "user", "content": asked}], schema)) == map_tags(asked)


def test_it_answers_through_litellm_with_estimated_tokens() -> None:
    from rayjob.llm.via_litellm import LiteLLMTransport

    register_offline(SMALL)
    register_offline(SMALL)
    spec = ModelSpec(model="offline/lexical")
    messages = prompt("[user]\nhow does caching work?")
    schema = response_format(answer_schema(list(SMALL.dimensions.values())), "schema")

    async def send() -> Any:
        transport = LiteLLMTransport(spec, {})
        try:
            return await transport.send(Call(spec, messages, 0.1, 1000, schema))
        finally:
            await transport.close()

    answer = asyncio.run(send())
    assert json.loads(answer.text)["concept"] == ["caching"]
    assert answer.finish_reason == "stop"
    assert answer.prompt_tokens == sum(len(message["content"]) for message in messages) // 4
    assert answer.completion_tokens > 0
