"""The shipped taxonomy: the 221 ids with their aliases, described, and clean."""

from __future__ import annotations

from pathlib import Path

import yaml

from rayjob.labels.taxonomy import Taxonomy, parse_taxonomy
from tests.shared_data import ROOT, shared

FOLDER = ROOT / "taxonomy" / "code-sft"


def load(folder: Path = FOLDER) -> Taxonomy:
    taxonomy, problems = parse_taxonomy({path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")})
    assert problems == []
    return taxonomy


def test_nine_dimensions_in_the_order_they_are_asked() -> None:
    sizes = {name: len(dimension.tags) for name, dimension in load().dimensions.items()}
    assert list(sizes.items()) == [
        ("intent", 5), ("language", 75), ("domain", 38), ("task", 21), ("difficulty", 4),
        ("concept", 25), ("agentic", 23), ("constraint", 20), ("context", 10),
    ]  # fmt: skip
    assert sum(sizes.values()) == 221


def test_ids_aliases_and_subcategories_are_those_of_the_trial() -> None:
    source = yaml.safe_load(shared("taxonomy_ids.yaml").read_text(encoding="utf-8"))["trial_v3_1"]
    taxonomy = load()
    assert list(taxonomy.dimensions) == list(source)
    for name, expected in source.items():
        dimension = taxonomy.dimensions[name]
        assert dimension.select == expected["select"]
        assert {tag.id: set(tag.aliases) for tag in dimension.tags} == {
            key: set(tag["aliases"]) for key, tag in expected["tags"].items()
        }
        assert {tag.id: tag.subcategory for tag in dimension.tags} == {
            key: tag.get("subcategory", "") for key, tag in expected["tags"].items()
        }


def test_every_tag_and_dimension_says_what_it_means() -> None:
    for dimension in load().dimensions.values():
        assert dimension.description
        assert dimension.principle
        assert all(20 <= len(tag.description) <= 160 for tag in dimension.tags)


def test_dimensions_carry_what_they_need_beyond() -> None:
    dimensions = load().dimensions
    assert all(set(tag.extra) == {"paradigm", "typing", "runtime", "use_cases"} for tag in dimensions["language"].tags)
    assert all(tag.subcategory for name in ("concept", "agentic") for tag in dimensions[name].tags)
    assert all(tag.extra["examples"] for name in ("intent", "difficulty") for tag in dimensions[name].tags)
