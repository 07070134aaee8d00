"""Parsing of taxonomies: what is read, and every mistake with its file and line."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.taxonomy import Taxonomy, is_dimension_file, parse_taxonomy

GOOD = """\
dimension: mood
order: 2
title: Mood
select: single
description: How it sounds.
principle: >-
  Listen to
  the words.
extra: [intensity]
tags:
  - {id: glad, name: Glad, description: It is glad., aliases: [happy, happy], subcategory: Warm, intensity: 3}
  - id: sad
"""


def messages(text: str) -> list[str]:
    return [str(problem) for problem in parse_taxonomy({"mood.yaml": text})[1]]


def test_reads_what_the_file_says() -> None:
    taxonomy, problems = parse_taxonomy({"mood.yaml": GOOD})
    assert problems == []
    mood = taxonomy.dimensions["mood"]
    assert (mood.title, mood.select, mood.principle) == ("Mood", "single", "Listen to the words.")
    assert mood.pool == {"glad", "sad"}
    glad, sad = mood.tags
    assert (glad.aliases, glad.subcategory, glad.extra) == (("happy",), "Warm", {"intensity": 3})
    assert (sad.name, sad.description, sad.aliases) == ("sad", "", ())
    assert mood.tag("sad") is sad


def test_order_is_that_of_the_files_keys_not_of_their_names() -> None:
    later = GOOD.replace("order: 2", "order: 3").replace("mood", "aaa")
    files = {"a.yaml": later, "z.yml": GOOD, "rules.yaml": "- nonsense", "rules-strict.yaml": "x", "notes.md": "x"}
    taxonomy, problems = parse_taxonomy(files)
    assert problems == []
    assert list(taxonomy.dimensions) == ["mood", "aaa"]


def test_the_hash_follows_the_content_alone() -> None:
    def digest(text: str, name: str = "mood.yaml") -> str:
        return parse_taxonomy({name: text})[0].hash

    assert digest(GOOD) == digest("# a comment\n" + GOOD, "other.yaml")
    assert len({digest(GOOD), digest(GOOD.replace("glad.", "merry.")), digest(GOOD.replace("3}", "4}"))}) == 3
    assert len(digest(GOOD)) == 64


def test_travels_to_workers() -> None:
    taxonomy = parse_taxonomy({"mood.yaml": GOOD})[0]
    travelled: Taxonomy = pickle.loads(pickle.dumps(taxonomy))
    assert travelled == taxonomy
    assert hash(travelled) == hash(taxonomy)
    assert travelled.dimensions["mood"].pool == {"glad", "sad"}


HEAD = "dimension: mood\nselect: single\n"
KEYS = "(have: dimension, order, title, description, principle, select, extra, tags)"
TAG_KEYS = "(have: id, name, description, aliases, subcategory)"
BAD = {
    "nothing": ("", ["mood.yaml:1: expected keys and values, found nothing"]),
    "a list": ("- a\n", ["mood.yaml:1: expected keys and values, found a list or a single value"]),
    "broken YAML": (
        HEAD + "tags: [a\n",
        [
            "mood.yaml:4: not YAML: did not find expected ',' or ']' "
            "(while parsing a flow sequence, which began on line 3)"
        ],
    ),
    "a tab": (
        HEAD + "tags:\n\t- id: x\n",
        ["mood.yaml:4: not YAML: found character that cannot start any token (indent with spaces, not tabs)"],
    ),
    "no tags": (HEAD, ["mood.yaml:1: tags: this key is missing"]),
    "unknown key": (
        HEAD + "tag: 1\ntags: [{id: x}]\n",
        [f"mood.yaml:3: tag: unknown key {KEYS}; did you mean 'tags'?"],
    ),
    "unknown key of a tag": (
        HEAD + "tags:\n  - id: x\n    alias: [y]\n",
        [
            f"mood.yaml:5: tags[0].alias: unknown key of a tag {TAG_KEYS}; did you mean 'aliases'?, "
            "or declare it under `extra`"
        ],
    ),
    "a word that is none to YAML": (
        HEAD + "tags:\n  - id: no\n",
        ['mood.yaml:4: tags[0].id: expected text, found False (quote it: "no", "on" and 1.0 are not text to YAML)'],
    ),
    "wrong types": (
        HEAD + "order: first\ntags:\n  - {id: x, aliases: y}\n  - z\n",
        [
            "mood.yaml:3: order: expected a whole number, found 'first'",
            "mood.yaml:5: tags[0].aliases: expected a list, found 'y'",
            "mood.yaml:6: tags[1]: expected keys and values (id, name, description, aliases), found 'z'",
        ],
    ),
    "wrong choice": (
        "dimension: mood\nselect: many\ntags: [{id: x}]\n",
        ["mood.yaml:2: select: input should be 'single' or 'multi', found 'many'"],
    ),
    "a tag twice": (
        HEAD + "tags:\n  - id: x\n  - id: y\n  - id: x\n",
        ["mood.yaml:6: tags[2].id: the tag 'x' stands twice in this dimension"],
    ),
    "a key twice": (
        HEAD + "select: multi\ntags: [{id: x}]\n",
        ["mood.yaml:3: select: this key stands twice"],
    ),
    "an alias bomb": (
        HEAD + "tags: &a [{id: x, aliases: &b [y]}, {id: z, aliases: *b}]\ntitle: *a\n",
        ["mood.yaml:3: not YAML: an alias (*name); write the value out"],
    ),
    "too deep": (HEAD + "tags: " + "[" * 50_000, ["mood.yaml:3: not YAML: nested more than 100 levels deep"]),
    "a space around an id": (
        HEAD + "tags: [{id: ' x'}]\n",
        ["mood.yaml:3: tags[0].id: the id ' x' begins or ends with a space"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_every_mistake_has_its_line(case: str) -> None:
    text, expected = BAD[case]
    assert messages(text) == expected


def test_objects_are_never_built() -> None:
    assert messages("!!python/object/apply:os.system [ls]\n") != []
    assert any("means nothing here" in message for message in messages(HEAD + "title: !!python/name:os.system\n"))


def test_a_dimension_described_twice_and_an_empty_folder() -> None:
    assert [str(problem) for problem in parse_taxonomy({"a.yaml": GOOD, "b.yaml": GOOD})[1]] == [
        "b.yaml:1: dimension: 'mood' is already described in another file"
    ]
    assert [str(problem) for problem in parse_taxonomy({"README.md": "x"})[1]] == [
        "taxonomy: no dimension files (one .yaml a dimension is expected)"
    ]


@given(st.text())
def test_any_text_gives_problems_and_no_exception(text: str) -> None:
    assert parse_taxonomy({"mood.yaml": text})[1]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["dimension", "select", "tags", "id", "aliases", "x"]), inner)
        ),
    )
)
def test_any_document_is_read_or_refused(document: object) -> None:
    parse_taxonomy({"mood.yaml": json.dumps(document)})


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("intent.yaml", True), ("a/intent.yml", True), ("rules.yaml", False), ("rules-strict.yaml", False),
        ("rulesets.yaml", True), ("intent.json", False), (".hidden.yaml", False), ("yaml", False),
    ],
)  # fmt: skip
def test_which_files_are_dimensions(name: str, is_one: bool) -> None:
    assert is_dimension_file(name) is is_one
