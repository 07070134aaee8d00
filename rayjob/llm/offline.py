"""`offline/lexical`: a LiteLLM provider that needs no key and no server. A ranker of words, not a language model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rayjob.labels.lexical import LexicalRanker
from rayjob.labels.lexical_prompt import read_request
from rayjob.labels.nearest import spell_likeness
from rayjob.labels.taxonomy import Taxonomy
from rayjob.llm.via_litellm import import_litellm

PROVIDER = "offline"
#: A candidate that is spelt this much like an unmapped tag means the same.
SAME_SPELLING = 0.8
_ITEM = re.compile(r'^(\d+)\. label ("(?:[^"\\]|\\.)*")', re.MULTILINE)
_CANDIDATE = re.compile(r"^\s+- ([^:\n]+):", re.MULTILINE)
_CHARS_PER_TOKEN = 4


class OfflineModel:
    """Answers label and map prompts from their own text and a taxonomy's names, aliases and descriptions."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self.ranker = LexicalRanker(taxonomy)

    def answer(self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> str:
        """The reply's text: JSON as asked for, or a sentence where the prompt asks for something else."""
        names = list(schema.get("properties") or {})
        if names and all(name.isdigit() for name in names):
            return json.dumps(map_tags(str(messages[-1].get("content"))))
        request = read_request(messages, schema, list(self.taxonomy.dimensions))
        if not request.dimensions:
            return "offline/lexical ranks the tags of a taxonomy; this prompt asks for none of its dimensions."
        guesses = self.ranker.guess(request.evidence, request.dimensions)
        labels = {name: guess.value for name, guess in guesses.items()}
        confidence = {name: guess.confidence for name, guess in guesses.items()}
        return json.dumps({**labels, "confidence": confidence, "unmapped": []}, ensure_ascii=False)


def map_tags(prompt: str) -> dict[str, str]:
    """For each numbered label of a map prompt the candidate that is spelt nearly the same, else "none"."""
    items = list(_ITEM.finditer(prompt))
    ends = [item.start() for item in items[1:]] + [len(prompt)]
    return {
        item[1]: _same_spelling(json.loads(item[2]), _CANDIDATE.findall(prompt[item.end() : end]))
        for item, end in zip(items, ends, strict=True)
    }


def _same_spelling(value: str, candidates: Sequence[str]) -> str:
    scored = [(spell_likeness(value, candidate), candidate) for candidate in candidates]
    best, name = max(scored, default=(0.0, ""), key=lambda entry: entry[0])
    return name if best >= SAME_SPELLING else "none"


def register_offline(taxonomy: Taxonomy) -> None:
    """Makes `offline/…` models of this process answer over `taxonomy`; called again, the new one counts."""
    litellm: Any = import_litellm()
    handler = _handler(litellm, OfflineModel(taxonomy))
    others = [entry for entry in litellm.custom_provider_map if entry["provider"] != PROVIDER]
    litellm.custom_provider_map = [*others, {"provider": PROVIDER, "custom_handler": handler}]
    litellm.utils.custom_llm_setup()


def _handler(litellm: Any, model: OfflineModel) -> Any:
    """A litellm.CustomLLM around the model. The class is made here: importing LiteLLM takes seconds."""

    class OfflineLexical(litellm.CustomLLM):  # type: ignore[misc]
        def completion(self, *args: Any, **kwargs: Any) -> Any:
            return respond(litellm, model, kwargs)

        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            return respond(litellm, model, kwargs)

    return OfflineLexical()


def count_usage(messages: Sequence[Mapping[str, Any]], text: str) -> tuple[int, int]:
    """Tokens of a prompt and its answer, estimated: four characters each."""
    asked = sum(len(str(message.get("content") or "")) for message in messages)
    return asked // _CHARS_PER_TOKEN, max(1, len(text) // _CHARS_PER_TOKEN)


def respond(litellm: Any, model: OfflineModel, call: Mapping[str, Any]) -> Any:
    """One call as LiteLLM makes it → its ModelResponse. Tokens are estimated."""
    messages = call["messages"]
    text = model.answer(messages, _schema_of(call.get("optional_params") or {}))
    prompt_tokens, completion_tokens = count_usage(messages, text)
    message = litellm.Message(role="assistant", content=text)
    return litellm.ModelResponse(
        model=call["model"],
        choices=[litellm.Choices(finish_reason="stop", index=0, message=message)],
        usage=litellm.Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
        ),
    )


def _schema_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    form = params.get("response_format")
    schema = form.get("json_schema", {}).get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}
