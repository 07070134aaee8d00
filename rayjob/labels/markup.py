"""Takes training markup and chain-of-thought out of a text. Leaves everything else as it is."""

from __future__ import annotations

import re

# Special tokens of chat templates (ChatML, Llama, DeepSeek's full-width bars, Gemma, Pangu, Mistral) and mode switches.
# Inside the bars no blanks are allowed: `f <| x |> g` is somebody's pipeline.
MARKUP = re.compile(
    r"<\|(?:im_start|start_header_id)\|>(?:system|user|assistant|tool)?"
    r"|<[|｜][\w▁./:-]{1,48}[|｜]>"
    r"|\[unused\d{1,4}\]"
    r"|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"
    r"|\A\s*<s>|</s>\s*\Z"
    r"|(?<!\S)/(?:no_)?think(?!\S)"
)
#: One of these is in every text that MARKUP matches. Looking for them costs a tenth of matching.
MARKUP_HINTS = (
    "<|", "<｜", "[unused", "INST]", "SYS>>", "_of_turn>", "<bos>", "<eos>", "<pad>", "<s>", "</s>", "/think",
    "/no_think",
)  # fmt: skip

# Only where it opens a line: an assistant that explains the tag writes it inside a sentence or a string.
THINK = re.compile(r"(?:\A|(?<=\n))[ \t]*<(think|thinking|thought)>(.*?)(?:</\1>|\Z)\s*", re.DOTALL | re.IGNORECASE)
# A template that opens the tag itself leaves only the closing one in the data (DeepSeek-R1's does).
# Between quotes it is talked about.
THINK_TAIL = re.compile(r"\A((?:(?!<think).)*?)</think>(?![\"'`])\s*", re.DOTALL | re.IGNORECASE)

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SURROGATE = re.compile(r"[\ud800-\udfff]")


def strip_markup(text: str) -> str:
    """`text` without special tokens.

    Removing one can join up another, so it looks again; the last time it leaves a blank.
    """
    for left in ("", "", "", " "):
        if not _may_have_markup(text):
            break
        shorter = MARKUP.sub(left, text)
        if shorter == text:
            break
        text = shorter
    return text


def _may_have_markup(text: str) -> bool:
    for hint in MARKUP_HINTS:  # noqa: SIM110 - any() costs three times the loop, and this runs for every turn
        if hint in text:
            return True
    return False


def split_reasoning(text: str) -> tuple[str, str]:
    """The text without its `<think>` blocks, and what they held. An unclosed block runs to the end."""
    lowered = text.lower() if "<" in text else ""
    if "</think>" not in lowered and "<thi" not in lowered and "<tho" not in lowered:
        return text, ""
    taken = [match.group(2) for match in THINK.finditer(text)]
    text = THINK.sub("", text)
    if tail := THINK_TAIL.match(text):
        taken.append(tail.group(1))
        text = text[tail.end() :]
    return text, "\n\n".join(part.strip() for part in taken if part.strip())


def make_storable(text: str) -> str:
    """`text` as UTF-8 can hold it: a lone surrogate becomes U+FFFD, the replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return SURROGATE.sub("\ufffd", text)
    return text


def clean_text(text: str) -> str:
    """What a prompt may show of a turn: storable, no control characters but tabs and line ends, no markup."""
    text = make_storable(text)
    if not text.replace("\n", "").replace("\t", "").isprintable():  # far cheaper than the pattern, and mostly true
        text = CONTROL.sub("", text)
    return strip_markup(text.replace("\r\n", "\n")).strip()
