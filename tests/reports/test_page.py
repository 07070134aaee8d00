"""report.html: whole, self-contained, and nothing a row says becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markupsafe import Markup

from rayjob.reports.page import Fragment, render
from rayjob.reports.run_report import RunFiles, build_report
from tests.shared_data import shared

HOSTILE = "</script></style></title><img src=http://evil.example/x onerror=alert(1)>\"'`{{7*7}}{% raw %}&amp;\x00"

STATS: dict[str, Any] = {
    "total_samples": 10,
    "success": 8,
    "failed": 2,
    "total_llm_calls": 20,
    "avg_calls_per_sample": 2.0,
    "calls_from_ledger": 3,
    "total_prompt_tokens": 12_000,
    "total_cached_tokens": 6_000,
    "total_completion_tokens": 900,
    "total_tokens": 12_900,
    "total_cost_usd": 0.25,
    "arbitrated_count": 2,
    "arbitrated_rate": 0.25,
    "consistency_warning_count": 1,
    "unmapped_tags": {"language:cuda": 4, "prompting": 1},
    "confidence_stats": {"intent": {"mean": 0.9, "min": 0.5, "max": 1.0, "below_threshold": 3}},
    "confidence_hist": {"intent": [0, 0, 0, 0, 0, 2, 0, 0, 1, 5]},
    "tag_distributions": {"intent": {"learn": 3, "build": 5}, "language": {f"l{i:02}": 20 - i for i in range(20)}},
    "pair_counts": {"intent×difficulty": {"build": {"expert": 1, "beginner": 4}, "learn": {"beginner": 3}}},
    "failures": {"timeout": 2},
    "by_step": {"character": {"calls": 10, "prompt_tokens": 6000, "cost_usd": 0.2}},
    "by_model": {"worker": {"calls": 20, "prompt_tokens": 12000, "cost_usd": 0.25}},
}
RUN: dict[str, Any] = {
    "run": "code-sft",
    "status": "failed_rows",
    "started": 1764000000,
    "ended": 1764000521,
    "spec": {"input": {"path": "in/*.jsonl"}, "models": {"worker": {"model": "offline/lexical"}}},
    "versions": {"ray": "2.60.0"},
    "plan_text": "the plan",
}
ROW: dict[str, Any] = {
    "uid": "u1",
    "source": "in/a.jsonl",
    "row": 3,
    "turn": 1,
    "format": "openai",
    "conversation": json.dumps(
        [{"role": "user", "content": "Why a deadlock?"}, {"role": "assistant", "content": "Ah"}]
    ),
    "labels": {"intent": "learn", "language": ["go"], "concept": []},
    "confidence": {"intent": 0.9, "language": None},
    "unmapped": [{"dimension": "language", "value": "cuda", "kind": "violation"}],
    "warnings": ["a rule"],
    "arbitrated": True,
}
FAILED: dict[str, Any] = {
    "uid": "u2",
    "source": "in/b.jsonl",
    "row": 7,
    "kind": "timeout",
    "message": "no answer in 120 s",
    "step": "character",
    "attempts": 3,
    "format": "openai",
    "input": ROW["conversation"],
}
EVENTS: list[dict[str, Any]] = [
    {"t": 1.0, "event": "run_started", "run": "code-sft"},
    *({"t": 2.0 * s, "event": "progress", "rows_done": s, "calls": 2 * s, "in_flight": 4} for s in range(1, 9)),
]


def page_of(**more: Any) -> str:
    return render(build_report(RunFiles(**{"run": RUN, "stats": STATS, "events": EVENTS, **more})))


class Reader(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags nest."""

    VOID = frozenset({"meta", "br", "input", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hostile(value: Any) -> Any:
    """The same structure with hostile text for every key and every text in it."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {f"{key}{HOSTILE}": hostile(item) for key, item in value.items()}
    return [hostile(item) for item in value] if isinstance(value, list) else value


def hostile_files() -> RunFiles:
    stats = {key: hostile(value) for key, value in STATS.items()}
    # A dimension's own numbers keep their names; it is the dimension's name that is hostile.
    stats["confidence_stats"] = {HOSTILE: STATS["confidence_stats"]["intent"]}
    stats["confidence_hist"] = {HOSTILE: STATS["confidence_hist"]["intent"]}
    stats["by_step"] = {HOSTILE: STATS["by_step"]["character"]}
    stats["by_model"] = {HOSTILE: STATS["by_model"]["worker"]}
    stats["pair_counts"] = {f"{HOSTILE}×{HOSTILE}": hostile(STATS["pair_counts"]["intent×difficulty"])}
    run = {**{key: hostile(value) for key, value in RUN.items()}, "spec": {"models": {HOSTILE: {"model": HOSTILE}}}}
    turns = [{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": HOSTILE}]
    row = {**ROW, **{key: hostile(value) for key, value in ROW.items()}, "conversation": json.dumps(turns)}
    row["unmapped"] = [{"dimension": HOSTILE, "value": HOSTILE, "kind": HOSTILE}]
    failed = {**row, "failure": {"kind": HOSTILE, "message": HOSTILE, "step": HOSTILE, "attempts": 1}}
    stats["failures"] = {HOSTILE: 2}
    return RunFiles(
        run, stats, [{**EVENTS[0], "run": HOSTILE}, *EVENTS[1:]], [row], [failed, {**failed, "conversation": HOSTILE}]
    )


def test_hostile_text_in_every_field_stays_text() -> None:
    page = render(build_report(hostile_files()), [Fragment(HOSTILE, Markup("<p>fine</p>"), HOSTILE)])
    reader = Reader(page)
    names = [tag for tag, _ in reader.found]
    assert (names.count("script"), names.count("style"), names.count("title") > 1) == (1, 1, True)
    assert not {"img", "iframe", "object", "link", "base", "form"} & set(names)
    attributes = {name for _, attrs in reader.found for name in attrs}
    assert (
        not {name for name in attributes if name.startswith("on")} | {"style", "src", "srcdoc", "action"} & attributes
    )
    assert page.count("&lt;img src=http://evil.example/x onerror=alert(1)&gt;") > 60
    assert "".join(reader.text).count("{{7*7}}{% raw %}&amp;") > 50


def test_the_page_loads_nothing_and_its_policy_names_its_own_style_and_script() -> None:
    page = page_of(rows=[ROW], failures=[FAILED])
    reader = Reader(page)
    links = [attrs.get("href", "") for tag, attrs in reader.found if tag == "a"]
    assert all(link is not None and link.startswith("#") for link in links)
    assert not re.search(r"https?://|url\(|@import", page)
    policy = next(attrs["content"] for _, attrs in reader.found if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", page, re.S)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_section_is_there_and_every_link_leads_somewhere() -> None:
    page = page_of(rows=[ROW], failures=[FAILED])
    reader = Reader(page)
    ids = [attrs["id"] for _, attrs in reader.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [str(attrs["href"])[1:] for tag, attrs in reader.found if tag == "a"]
    assert set(links) <= set(ids)
    assert links == [
        "main", "labels", "pairs", "confidence", "time", "cost", "unmapped", "failures", "rows", "spec",
    ]  # fmt: skip
    text = " ".join("".join(reader.text).split())
    for said in (
        "done, some rows failed", "in 8 min 41 s", "80.0 %", "2 a sample, 3 from the ledger", "50 % cached",
        "$0.2500", "$25.00 per 1,000 samples", "2 samples failed: timeout", "8 more tags", "no answer in 120 s",
        "Why a deadlock?", "violation: cuda", "a.jsonl:3 turn 1", "the plan",
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize("run", [{}, RUN])
def test_a_run_without_anything_is_a_page_without_sections(run: dict[str, Any]) -> None:
    page = render(build_report(RunFiles(run, {})))
    Reader(page)
    assert 'id="labels"' not in page
    assert 'id="rows"' not in page


def test_pictures_have_titles() -> None:
    page = page_of()
    for picture in re.findall(r"<svg.*?</svg>", page, re.S):
        assert 'aria-hidden="true"' in picture or ("<title>" in picture and "aria-label" in picture)


def test_a_fragment_is_put_in_as_it_is_and_plain_text_is_escaped() -> None:
    report = build_report(RunFiles(RUN, STATS))
    page = render(report, [Fragment("Atlas", Markup("<svg id='atlas'></svg>")), Markup("<b>raw</b>"), "<i>plain</i>"])  # type: ignore[list-item]
    assert "<svg id='atlas'></svg>" in page
    assert "<b>raw</b>" in page
    assert "<i>plain" not in page


def test_the_same_run_gives_the_same_page() -> None:
    assert page_of(rows=[ROW], failures=[FAILED]) == page_of(rows=[ROW], failures=[FAILED])


def test_the_recorded_statistics_make_a_page() -> None:
    stats = json.loads(shared("gold108/stats_deepseek_v4.json").read_text(encoding="utf-8"))
    page = render(build_report(RunFiles({"run": "gold108"}, stats)))
    Reader(page)
    assert "feature-implementation" in page


def test_a_large_run_is_a_small_page() -> None:
    """A page is bounded whatever the run: thousands of tags, events and rows of a megabyte each."""
    long = {**ROW, "conversation": json.dumps([{"role": "user", "content": "x" * 100_000}] * 5)}
    stats = {**STATS, "unmapped_tags": {f"language:t{i}": 1 for i in range(50_000)}}
    events = [{"t": float(t), "event": "progress", "rows_done": t, "calls": t} for t in range(10_000)]
    page = page_of(
        stats=stats, rows=[long] * 300, failures=[{**FAILED, "conversation": "y" * 1_000_000}] * 50, events=events
    )
    assert len(page) < 1_500_000
