"""What can be seen in a conversation without a model: languages, tools, commands, structure, key words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from rayjob.labels.code_blocks import Block, split_code
from rayjob.labels.cues_commands import count_families, count_files, find_commands
from rayjob.labels.cues_keywords import count_keywords
from rayjob.labels.cues_languages import DATA_LANGUAGES, FRAMEWORKS, NAMES
from rayjob.labels.readers_calls import read_tool_names
from rayjob.labels.turns import Conversation

CJK = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]")
#: A block of shell beside a program is how to run it, unless it is at least this share of the lines.
SHELL_SHARE = 0.1
#: What a file that a tool read or wrote counts for in that share; its lines are not all seen.
FILE_LINES = 10
#: What is wanted is said in so much of the user's prose; what comes after is a pasted log.
PROSE_CHARS = 8_000
MAX_TOOLS = 20


@dataclass(frozen=True, slots=True)
class Signals:
    """Counts of what was seen. `languages` are ids of the taxonomy, the best supported first."""

    languages: tuple[str, ...] = ()
    fences: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    commands: Mapping[str, int] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    keywords: Mapping[str, int] = field(default_factory=dict)
    chars: int = 0
    cjk: bool = False

    def to_json(self) -> dict[str, object]:
        """As the column `signals` holds it: what is empty is left out."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name))}

    def render(self) -> str:
        """One compact line for a prompt."""
        parts = []
        for name, value in self.to_json().items():
            if isinstance(value, Mapping):
                parts.append(f"{name}: " + ", ".join(f"{key} {count}" for key, count in value.items()))
            elif isinstance(value, tuple):
                parts.append(f"{name}: " + ", ".join(value))
        return "; ".join(parts)


@dataclass(slots=True)
class _Code:
    """Code blocks by language: how many, and how many lines."""

    blocks: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Files:
    """Files that tools wrote and read, by language."""

    written: Counter[str]
    read: Counter[str]


def find_signals(conversation: Conversation) -> Signals:
    """The signals of a conversation; deterministic, in time linear in its length."""
    turns = conversation.turns
    split = [(turn.role, *split_code(turn.text)) for turn in turns if turn.role != "system"]
    code = _count_code(block for _, _, blocks in split for block in blocks)
    written, read = count_files(turns) if any(turn.role == "tool" or turn.tool_calls for turn in turns) else ({}, {})
    prose = "\n".join(text[:PROSE_CHARS] for role, text, _ in split if role == "user")[:PROSE_CHARS]
    named = NAMES.count(prose)
    called = [call.name for turn in turns for call in turn.tool_calls] + [turn.name for turn in turns]
    offered = read_tool_names(conversation.metadata.get("tools"))
    sample = "".join(turn.text[:500] for turn in turns if turn.role in ("user", "assistant"))
    files = _Files(Counter(written), Counter(read))
    return Signals(
        languages=_weigh(code, files, named, prose),
        fences=_ordered(code.blocks),
        files=_ordered(files.written + files.read),
        named=tuple(named),
        tools=tuple(dict.fromkeys(name for name in (*called, *offered) if name))[:MAX_TOOLS],
        commands=_ordered(count_families(find_commands(turns))),
        turns=_ordered(Counter(turn.role for turn in turns)),
        keywords=_ordered(count_keywords(prose)),
        chars=sum(len(turn.text) for turn in turns),
        cjk=len(CJK.findall(sample)) * 8 > len(sample),
    )


def _count_code(blocks: Iterable[Block]) -> _Code:
    code = _Code()
    for block in blocks:
        if block.language:
            code.blocks[block.language] += 1
            code.lines[block.language] += block.lines
    return code


def _weigh(code: _Code, files: _Files, named: Mapping[str, int], prose: str) -> tuple[str, ...]:
    """The languages that the evidence supports: a block or a file of it, else the user's naming it or its framework.

    Shell beside a program and data formats that were only read are company, not subject.
    """
    score: Counter[str] = Counter()
    for tag, blocks in code.blocks.items():
        score[tag] += 2 * blocks
    for tag, count in files.written.items():
        score[tag] += 2 * count
    for tag, count in files.read.items():
        score[tag] += 0 if tag in DATA_LANGUAGES else count
    if _is_shell_company(code, files):
        del score["shell"]
    for tag, count in named.items():
        score[tag] += count
    if not any(tag not in DATA_LANGUAGES for tag in score):
        score += FRAMEWORKS.count(prose)
    return tuple(tag for tag, weight in sorted(score.items(), key=lambda item: (-item[1], item[0])) if weight > 0)


def _is_shell_company(code: _Code, files: _Files) -> bool:
    """Whether the shell blocks only say how to run the program beside them."""
    if files.written["shell"]:
        return False
    program = sum(lines for tag, lines in code.lines.items() if tag not in DATA_LANGUAGES)
    touched = files.written + files.read
    program += FILE_LINES * sum(count for tag, count in touched.items() if tag not in DATA_LANGUAGES)
    return code.lines["shell"] < SHELL_SHARE * (program + code.lines["shell"])


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
