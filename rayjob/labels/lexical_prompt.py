"""Finds the conversation in a label prompt: the transcript between its fences, its turns, the hints. Ranks nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayjob.labels.code_blocks import split_code
from rayjob.labels.lexical import Evidence

_FENCE = re.compile(r"^=====CONVERSATION(?:-\d+)?=====$", re.MULTILINE)
_TURN = re.compile(r"^\[(system|user|assistant|tool|calls)(?: [^\]\n]*)?\][ \t]*", re.MULTILINE)
_CODE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_LANGUAGES = re.compile(r'"?\blanguages"?: ?\[?([^\];\n]*)')
_ONLY = re.compile(r"Answer (?:only these dimensions this time|these dimensions and no others): ([\w, -]+)\.")


@dataclass(frozen=True, slots=True)
class Request:
    """What a prompt asks: the dimensions, and what it shows of the conversation."""

    dimensions: tuple[str, ...]
    evidence: Evidence


def read_request(
    messages: Sequence[Mapping[str, object]], schema: Mapping[str, object], known: Sequence[str]
) -> Request:
    """The request in a prompt. Without a schema, the dimensions are those of `known` that the prompt writes as keys."""
    last = str(messages[-1].get("content") or "") if messages else ""
    before, transcript, after = cut_at_fence(last)
    asked = _asked(messages, schema, known, after)
    return Request(asked, read_evidence(transcript, before))


def cut_at_fence(text: str) -> tuple[str, str, str]:
    """Before, between and after the first fence and the last one like it; without fences all of it lies between."""
    first = _FENCE.search(text)
    if first is None:
        return "", text, ""
    end = text.rfind(first[0])
    if end <= first.start():
        return text[: first.start()], text[first.end() :], ""
    return text[: first.start()], text[first.end() : end], text[end + len(first[0]) :]


def read_evidence(transcript: str, hints: str = "") -> Evidence:
    """The user's first and last words, the last reply's prose and code, and what tools did."""
    turns = list(split_turns(transcript))
    users = [text for role, text in turns if role == "user"] or [transcript]
    replies = [text for role, text in turns if role == "assistant"]
    query, asked_code = split_prose("\n".join(dict.fromkeys((users[0], users[-1]))))
    reply, code = split_prose("\n".join(replies[-2:]))
    actions = "\n".join(text for role, text in turns if role in ("tool", "calls"))
    return Evidence(query, reply, asked_code + code, actions, _languages(hints, replies))


def _languages(hints: str, replies: Sequence[str]) -> tuple[str, ...]:
    """Those that the hints name, best first; without hints, those of the replies' code blocks, most used first."""
    named = _LANGUAGES.search(hints)
    if named:
        return tuple(re.findall(r"[^\s\",]+", named[1]))
    counts = Counter(block.language for reply in replies for block in split_code(reply)[1] if block.language)
    return tuple(name for name, _ in counts.most_common())


def split_turns(transcript: str) -> list[tuple[str, str]]:
    """(role, text) by the transcript's own marks; calls and results of tools count as turns."""
    marks = list(_TURN.finditer(transcript))
    ends = [*(mark.start() for mark in marks[1:]), len(transcript)]
    return [
        (mark[1], mark[0] * (mark[1] in ("tool", "calls")) + transcript[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=False)  # no marks, no turns
    ]


def split_prose(text: str) -> tuple[str, str]:
    """The text outside code blocks, and the blocks."""
    return _CODE.sub("\n", text), "".join(block[1] for block in _CODE.finditer(text))


def _asked(
    messages: Sequence[Mapping[str, object]], schema: Mapping[str, object], known: Sequence[str], after: str
) -> tuple[str, ...]:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return tuple(name for name in known if name in properties)
    only = _ONLY.findall(after)
    if only:  # the last one: a restriction of a restriction
        return tuple(name for name in known if name in re.split(r",\s*", only[-1]))
    spoken = "\n".join(str(message.get("content") or "") for message in messages[:-1] or messages)
    return tuple(name for name in known if json.dumps(name) + ":" in spoken)
