"""Signals: languages against recorded labels, word edges, commands by family, tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.code_blocks import split_code
from rayjob.labels.conversation import parse_record
from rayjob.labels.cues_keywords import count_keywords
from rayjob.labels.cues_languages import EXTENSIONS, FENCES, FRAMEWORKS, NAMES
from rayjob.labels.signals import Signals, find_signals
from tests.labels.test_taxonomy_shipped import load
from tests.shared_data import shared


def signals(*texts: str, tools: str = "") -> Signals:
    """The signals of user and assistant texts that alternate, with one tool turn at the end if any."""
    turns = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]
    return find_signals(parse_record({"messages": [*turns, *([{"role": "tool", "content": tools}] if tools else [])]}))


def test_languages_agree_with_the_recorded_labels() -> None:
    samples = json.loads(shared("gold108/raw_samples.json").read_text(encoding="utf-8"))
    labelled = json.loads(shared("gold108/labeled_deepseek_v4.json").read_text(encoding="utf-8"))
    gold = {record["id"]: set(record["labels"]["language"]) for record in labelled}
    found = {sample["id"]: set(find_signals(parse_record(sample)).languages) for sample in samples}
    right = sum(len(found[id] & gold[id]) for id in gold)
    assert right / sum(map(len, found.values())) >= 0.88
    assert right / sum(map(len, gold.values())) >= 0.75


def test_every_language_named_here_is_in_the_shipped_taxonomy() -> None:
    pool = load().dimensions["language"].pool
    assert {*FENCES.values(), *EXTENSIONS.values(), *NAMES.tags, *FRAMEWORKS.tags} <= set(pool)


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("the search engine and its plugin", ()),
        ("用Python写一个脚本", ("python",)),
        ("用 Go 写一个服务", ("go",)),
        ("Go 语言的 channel", ("go",)),
        ("let us go on", ()),
        ("Go ahead and explain", ()),
        ("write it in C, please", ("c",)),
        ("in C++ and C#", ("cpp", "csharp")),
        ("vitamin C is good", ()),
        ("Java is not JavaScript", ("java", "javascript")),
        ("my rusty swift car", ()),
        ("R 语言 画图", ("r",)),
        ("a Bash script", ("shell",)),
        ("MySQL 慢查询", ("sql",)),
        ("a Django view", ("python",)),
        ("a React hook in TypeScript", ("typescript",)),
        ("the Gin framework", ("go",)),
        ("virgin ginger tonic", ()),
    ],
)
def test_names_count_on_word_edges_only(text: str, languages: tuple[str, ...]) -> None:
    assert signals(text).languages == languages


@pytest.mark.parametrize(
    ("fence", "language"),
    [
        ("py", "python"),
        ("C++", "cpp"),
        ("bash", "shell"),
        ("yml", "yaml"),
        ("tsx", "typescript"),
        ("{.r}", "r"),
        ("diff", ""),
        ("js title=a.js", "javascript"),
        ("nginx", "nginx-config"),
        ("", ""),
    ],
)
def test_fences(fence: str, language: str) -> None:
    assert signals("q", f"```{fence}\nx\n```").languages == ((language,) if language else ())


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("def f(x):\n    return x", "python"),
        ("#include <stdio.h>\nint main() {}", "c"),
        ("package main\n\nfunc main() {\n}", "go"),
        ("fn main() {\n}", "rust"),
        ("SELECT a FROM b\n", "sql"),
        ("#!/bin/bash\necho", "shell"),
        ("just words", ""),
    ],
)
def test_blocks_without_a_name_are_told_by_their_code(code: str, language: str) -> None:
    assert signals("q", f"```\n{code}\n```").languages == ((language,) if language else ())


def test_shell_beside_a_program_is_how_to_run_it() -> None:
    program = "```rust\n" + "let x = 1;\n" * 40 + "```"
    assert signals("q", f"{program}\n```bash\ncargo run\n```").languages == ("rust",)
    assert signals("q", "```bash\ngit rebase main\n```").languages == ("shell",)


TOOLS = """$ git status && git log | grep fix
(venv) $ python -m pytest -q tests
user@host:~/app$ sudo apt-get install nginx
$ npm test
$ cargo build --release
$ cat > src/app.ts << 'EOF'
$ rm -rf /
EOF
$ docker-compose up -d
$ psql -c 'select 1'
output that mentions git and docker
"""


def test_commands_are_counted_by_family_where_they_were_run() -> None:
    found = signals("q", "a: run `git push`", tools=TOOLS)
    expected = {"git": 2, "test": 2, "build": 1, "database": 1, "docker": 1, "files": 1, "package": 1, "search": 1}
    assert dict(found.commands) == expected
    assert dict(found.files) == {"typescript": 1}
    assert found.languages == ("typescript",)


def test_calls_name_their_tools_files_and_commands() -> None:
    calls = [
        {"function": {"name": "write_file", "arguments": '{"path": "a/b.py", "content": "x"}'}},
        {"function": {"name": "bash", "arguments": '{"command": "pytest -q; git diff"}'}},
    ]
    record: dict[str, Any] = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": calls}],
        "tools": '[{"type": "function", "function": {"name": "search"}}]',
    }
    found = find_signals(parse_record(record))
    assert found.tools == ("write_file", "bash", "search")
    assert found.languages == ("python",)
    assert dict(found.commands) == {"git": 1, "test": 1}


def test_keywords_come_from_the_users_prose_only() -> None:
    found = signals("Why is it so? 性能太差\n```\nslow slow slow\n```", "a race condition")
    assert dict(found.keywords) == {"performance": 1}
    assert dict(signals("the contest of prefixes").keywords) == {}
    assert dict(signals("fix the tests").keywords) == {"debug": 1, "testing": 1}


def test_json_leaves_out_what_is_empty_and_render_is_one_line() -> None:
    found = signals("explain ```x```", "```python\npass\n```")
    assert found.to_json() == {
        "languages": ("python",),
        "fences": {"python": 1},
        "turns": {"assistant": 1, "user": 1},
        "keywords": {"explain": 1},
        "chars": 33,
    }
    assert found.render() == "languages: python; fences: python 1; turns: assistant 1, user 1; keywords: explain 1"


def test_a_block_that_is_not_closed_runs_to_the_end() -> None:
    prose, blocks = split_code("a\n```py\nx = 1\n~~~\n````js\n")
    assert prose.strip() == "a"
    assert [(block.language, block.lines) for block in blocks] == [("python", 3)]


@given(st.lists(st.text(st.sampled_from("`~ \nabpy$>|&;<'\"EOF./"), max_size=80), min_size=1, max_size=4))
def test_any_text_has_signals(texts: list[str]) -> None:
    try:
        found = signals(*texts, tools="".join(texts) or "$ ls")
    except ValueError:
        return
    assert signals(*texts, tools="".join(texts) or "$ ls") == found


@pytest.mark.parametrize(
    ("prose", "counts"),
    [
        ("Fix the failing unit tests", {"debug": 2, "testing": 1}),
        ("a prefix, contests, buggy and debug_mode", {}),  # inside a word, or with an underscore behind
        ("用Docker来部署:用nginx报错", {"deploy": 2, "debug": 1}),  # between letters of a script without blanks
        ("SLOW query, slowly; slowing", {"performance": 2}),
        ("还是用 async 好？", {"decide": 1}),  # one match spans both scripts
        ("", {}),
    ],
)
def test_key_words_stand_on_word_edges_in_both_scripts(prose: str, counts: dict[str, int]) -> None:
    assert count_keywords(prose) == counts
