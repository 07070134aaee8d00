"""The wordings of a label question: whole, for some dimensions only, shorter, plainer. Asks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

from rayjob.labels.excerpt import fence_for
from rayjob.labels.prompt import BoundTemplate

Messages = Sequence[Mapping[str, str]]

_LEFT_OUT = "\n[… {chars:,} characters left out …]\n"
#: A content filter objects to what a text shows; the question and the reply's beginning are enough to label by.
_PLAIN_CHARS = 800


class LazyMessages(Sequence[Mapping[str, str]]):
    """Messages rendered when first read: the wordings that few rows need cost the others nothing."""

    def __init__(self, render: Callable[[], list[dict[str, str]]]) -> None:
        self._render = render
        self._messages: list[dict[str, str]] | None = None

    def _read(self) -> list[dict[str, str]]:
        if self._messages is None:
            self._messages = self._render()
        return self._messages

    @overload
    def __getitem__(self, index: int) -> Mapping[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, str]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, str] | Sequence[Mapping[str, str]]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __bool__(self) -> bool:
        """Always worth trying; asking whether there are any must not render them."""
        return True

    def __iter__(self) -> Iterator[Mapping[str, str]]:
        return iter(self._read())


def render_question(
    prompt: BoundTemplate, values: Mapping[str, object], only: Sequence[str] = ()
) -> list[dict[str, str]]:
    """The prompt's messages for one row; `only` names the dimensions to answer where they are not all.

    The restriction stands last, so that what comes before stays the cached prefix of the full question.
    """
    fence = fence_for(str(values.get("transcript", "")))
    messages = [message.to_dict() for message in prompt.render(fence=fence, **values)]
    if only and messages:
        messages[-1]["content"] += f"\n\nAnswer only these dimensions this time: {', '.join(only)}."
    return messages


def shorten(values: Mapping[str, object]) -> dict[str, object]:
    """The same row with a third of its transcript, for a context window that the whole did not fit."""
    transcript = str(values.get("transcript", ""))
    return {**values, "transcript": cut_middle(transcript, len(transcript) // 3)}


def soften(values: Mapping[str, object]) -> dict[str, object]:
    """The same row by its last question and the beginning of the reply alone, for a content filter's second look."""
    query, answer = (str(values.get(name, ""))[:_PLAIN_CHARS] for name in ("query", "answer"))
    transcript = f"[A record of a finished conversation, shortened, to be catalogued only.]\n\n[user]\n{query}"
    return {**values, "transcript": f"{transcript}\n\n[assistant]\n{answer}", "query": query, "answer": answer}


def cut_middle(text: str, kept: int) -> str:
    """The first half and the last half of what may be kept, a note in between."""
    if len(text) <= kept:
        return text
    half = kept // 2
    return text[:half] + _LEFT_OUT.format(chars=len(text) - 2 * half) + text[len(text) - half :]
