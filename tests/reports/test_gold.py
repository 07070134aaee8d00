"""Gold sets: what is accepted, merged, checked; runs scored against them, weighted back to the whole run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy
from rayjob.reports.accuracy import find_rows, score_against_reviewers, score_run, sign_test
from rayjob.reports.gold import Gold, GoldRow, Judged, build_gold, check_gold, gold_of_reviews, merge_gold
from rayjob.reports.gold_file import read_gold, write_lines
from rayjob.reports.labelled import LabelledError, build_labelled
from rayjob.reports.labelled_files import read_json, read_labelled
from tests.reports.labelled_sides import record, side


def gold(rows: list[GoldRow], **more: object) -> Gold:
    return Gold(tuple(rows), frozenset({"concept"}), "2026-01-01", **more)  # type: ignore[arg-type]


def row(id_: str, how: str = "unanimous", stratum: str = "", **labels: tuple[str, ...]) -> GoldRow:
    return GoldRow(id_, "", labels, dict.fromkeys(labels, how), stratum)


def test_what_all_runs_say_is_gold_and_the_rest_is_open(tmp_path):
    a = [record(i, intent="learn", concept=("x", "y")) for i in range(4)]
    b = [record(i, intent="learn" if i else "build", concept=("y", "x")) for i in range(4)]
    made, left = build_gold([side(tmp_path, "a", a), side(tmp_path, "b", b)], None, "now", "me", "hash")
    assert [(one.id, one.dimension, one.said) for one in left] == [
        ("r000", "intent", {"a": ("learn",), "b": ("build",)})
    ]
    assert "intent" not in made.rows[0].labels
    assert made.rows[0].labels["concept"] == ("x", "y")
    assert made.rows[1].how["intent"] == "unanimous"
    assert (made.by, made.taxonomy, len(made.runs)) == ("me", "hash", 2)


def test_consensus_above_the_stated_quality_is_gold_too(tmp_path):
    runs = [
        side(tmp_path, name, [record(i, intent="learn" if (i % 17 == k) else "build") for i in range(60)])
        for k, name in enumerate(("a", "b", "c"))
    ]
    made, left = build_gold(runs, 0.9, "now")
    assert not [one for one in left if one.dimension == "intent"]
    assert made.rows[0].labels["intent"] == ("build",)
    assert made.rows[0].how["intent"].startswith("consensus 0.9")
    assert [one.dimension for one in build_gold(runs, None, "now")[1]].count("intent") > 0


@pytest.mark.parametrize("quality", [None, 0.5])
def test_runs_without_an_answer_vouch_for_none(tmp_path, quality):
    """Where one tag is asked for, nothing is what is left of a tag outside the pool; a set may well be empty."""
    rows = [record(i, intent="" if i == 0 else "build") for i in range(9)]
    runs = [side(tmp_path, name, rows) for name in ("a", "b", "c")]
    made, left = build_gold(runs, quality, "now")
    assert [(one.id, one.dimension) for one in left] == [("r000", "intent")]
    assert made.rows[0].labels["concept"] == ()


def test_one_run_cannot_vouch_for_itself(tmp_path):
    with pytest.raises(LabelledError, match="two runs or more"):
        build_gold([side(tmp_path, "a", [record(1)])], None, "now")


def test_reviews_become_gold_where_people_agree_or_most_do():
    said = {"ann": {"intent": ("build",)}, "bob": {"intent": ("learn",)}, "cy": {"intent": ("build",)}}
    rows = [Judged("1", "u1", said, "random", 0.5), Judged("2", "u2", {who: said[who] for who in ("ann", "bob")})]
    made, left = gold_of_reviews(rows, gold([], population={"random": 4}))
    assert made.rows[0].how == {"intent": "review: ann, cy"}
    assert (made.rows[0].stratum, made.rows[0].probability) == ("random", 0.5)
    assert [(one.id, one.said) for one in left] == [("2", {"ann": ("build",), "bob": ("learn",)})]


def test_a_merge_prefers_people_and_leaves_differing_equals_open():
    a = gold([row("1", intent=("build",)), row("2", intent=("build",))])
    b = gold([row("1", "review: ann", intent=("learn",)), row("2", intent=("learn",), concept=()), row("3", intent=())])
    made, left = merge_gold([("a", a), ("b", b)])
    assert [dict(one.labels) for one in made.rows] == [{"intent": ("learn",)}, {"concept": ()}, {"intent": ()}]
    assert [(one.id, one.said) for one in left] == [("2", {"a": ("build",), "b": ("learn",)})]
    made, left = merge_gold([("a", a), ("b", b)], prefer="last")
    assert (made.rows[1].labels["intent"], left, made.parents) == (("learn",), [], ("a", "b"))


def test_strata_of_different_populations_are_not_combined():
    one, two = (
        gold([row(name, stratum="random", intent=())], population={"random": n}) for name, n in (("1", 5), ("2", 9))
    )
    assert merge_gold([("a", one), ("b", one)])[0].population == {"random": 5}
    merged = merge_gold([("a", one), ("b", two)])[0]
    assert (merged.population, merged.rows[0].stratum) == ({}, "")


@pytest.mark.parametrize("uid", ["1", "data.jsonl#0#0"])
def test_a_row_with_and_without_a_uid_is_one_row(uid):
    """A gold of files has ids alone; a review of them calls its rows by their ids, a run has uids."""
    files = gold([row("1", intent=("build",)), row("2", intent=("build",))])
    review = gold([GoldRow("1", uid, {"intent": ("learn",)}, {"intent": "review: ann"})])
    for parts in ([("a", files), ("b", review)], [("b", review), ("a", files)]):
        made, left = merge_gold(parts)
        assert sorted((one.id, one.uid, one.labels["intent"]) for one in made.rows) == [
            ("1", uid if "#" in uid else made.rows[0].uid, ("learn",)), ("2", "", ("build",)),
        ]  # fmt: skip
        assert not left


def test_turns_of_one_conversation_stay_apart_in_a_merge():
    one, two = (gold([GoldRow("c", f"f#0#{turn}", {"intent": ()}, {"intent": "unanimous"})]) for turn in (1, 3))
    assert [one.uid for one in merge_gold([("a", one), ("b", two)])[0].rows] == ["f#0#1", "f#0#3"]


def test_a_gold_without_strata_leaves_none_to_a_merge():
    drawn = gold([row("1", stratum="random", intent=())], population={"random": 9})
    merged = merge_gold([("a", gold([row("2", intent=())])), ("b", drawn)])[0]
    assert (merged.population, [one.stratum for one in merged.rows]) == ({}, ["", ""])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([("c", "f#0#1"), ("d", "f#1#1")], {1: 1}),  # turn 1 of c is not in the run
        ([("c", "old#0#1"), ("c", "old#0#5"), ("d", "old#1#1")], {1: 0, 2: 1}),  # the file has another name now
        ([("d", "f#0#5"), ("c", "f#7#5")], {1: 0}),  # lines were added: what stands at 0 is another record
        ([("c", ""), ("d", "d")], {0: 0, 1: 1}),  # a gold of files, and one of a review of them
        ([("d", "f#1#1"), ("c", "other#0#5")], {0: 1}),  # another file's c
        ([("c", ""), ("c", "")], {}),
    ],
)
def test_rows_are_found_by_uid_and_an_id_is_never_another_rows(wanted, found):
    rows = (("c", "f#0#5"), ("d", "f#1#1"))
    run = build_labelled("run", "run", [{"id": id_, "uid": uid, "labels": {"intent": "a"}} for id_, uid in rows])
    assert find_rows(run, wanted) == found


def test_tags_the_taxonomy_lost_are_found_with_where_they_went():
    dims = [
        Dimension("intent", "", "single", (Tag("build", "", "", aliases=("create",)),)),
        Dimension("task", "", "multi", (Tag("moved", "", ""),)),
    ]
    found = gold([row("1", intent=("create",), mood=("x",)), row("2", intent=("moved",)), row("3", intent=("old",))])
    assert check_gold(found, Taxonomy.of(dims)) == [
        ("mood", "", 1, "no such dimension"),
        ("intent", "create", 1, "now an alias of build"),
        ("intent", "moved", 1, "now in task"),
        ("intent", "old", 1, "gone"),
    ]


names = st.text(min_size=1, max_size=8)
gold_rows = st.builds(
    lambda id_, intent, concept: GoldRow(
        id_, "u" + id_, {"intent": (intent,), "concept": tuple(sorted(concept))}, {"intent": "review: a"}, "random", 0.5
    ),
    names, names, st.sets(names, max_size=3),
)  # fmt: skip


@given(st.lists(gold_rows, max_size=5, unique_by=lambda one: one.id))
def test_a_gold_file_reads_back_as_it_was_written(tmp_path_factory, rows):
    made = gold(rows, by="me", runs=("a",), taxonomy="h", method="m", population={"random": 8}, parents=("p",))
    path = tmp_path_factory.mktemp("gold") / "gold.jsonl"
    path.write_bytes(write_lines(made).encode("utf-8", errors="replace"))
    back = read_gold(str(path), read_json(str(path)))
    if not any(0xD800 <= ord(c) <= 0xDFFF for one in rows for text in (one.id, *one.labels["intent"]) for c in text):
        assert back == made


def test_a_gold_file_is_a_side_whose_absent_dimensions_are_open(tmp_path):
    path = tmp_path / "gold.jsonl"
    path.write_text(write_lines(gold([row("r000", intent=("build",)), row("r001", concept=())])))
    found = read_labelled(str(path))
    assert found.answers["intent"] == [("build",), None]
    assert found.answers["concept"] == [None, ()]
    assert found.meta["gold"] == 1


def test_another_file_is_no_gold(tmp_path):
    with pytest.raises(LabelledError, match="not a gold file"):
        read_gold("x.json", [{"id": 1, "labels": {}}])


def run_of(intents: list[str], first: list[str | None] | None = None):
    records = [
        {"id": f"r{i}", "labels": {"intent": intent, "concept": ["x"]},
         **({"first_labels": {"intent": first[i], "concept": ["x"]} if first[i] else None} if first else {})}
        for i, intent in enumerate(intents)
    ]  # fmt: skip
    return build_labelled("run", "run", records)


def test_scores_against_gold_by_hand():
    truth = gold([row(f"r{i}", intent=(tag,), concept=("x", "y")) for i, tag in enumerate("aabb")])
    intent, concept = score_run(run_of(["a", "b", "b", "b"]), truth)
    assert (intent.rows, intent.accuracy.value) == (4, 0.75)
    assert intent.confusions == (("a", "b", 1),)
    tags = {one.tag: (one.precision.value, round(one.recall.value, 3), round(one.f1, 3)) for one in intent.tags}
    assert tags == {"a": (1.0, 0.5, 0.667), "b": (pytest.approx(2 / 3), 1.0, 0.8)}
    assert intent.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert (concept.accuracy.value, concept.jaccard, concept.micro_f1) == (0, 0.5, pytest.approx(2 / 3))


def test_scores_are_weighted_back_to_the_run():
    rows = [row(f"r{i}", stratum="rare" if i < 2 else "common", intent=("a",)) for i in range(4)]
    [intent] = score_run(run_of(["b", "b", "a", "a"]), gold(rows, population={"rare": 10, "common": 90}))
    assert intent.accuracy.value == pytest.approx(0.9)
    assert next(one for one in intent.tags if one.tag == "a").recall.value == pytest.approx(0.9)


def test_arbitration_is_judged_by_what_it_changed():
    truth = gold([row(f"r{i}", intent=("a",)) for i in range(5)])
    run = run_of(["a", "b", "c", "a", "a"], first=["b", "a", "b", "a", None])
    [intent] = score_run(run, truth)
    changed = intent.arbitrated
    assert (changed.better, changed.worse, changed.still_wrong, changed.p) == (1, 1, 1, 1.0)
    assert score_run(run_of(["a"] * 5), truth)[0].arbitrated is None


@pytest.mark.parametrize(("better", "worse", "p"), [(0, 0, 1.0), (5, 0, 0.0625), (8, 2, 0.109375)])
def test_sign_test_of_known_cases(better, worse, p):
    assert sign_test(better, worse) == pytest.approx(p)


def test_reviewers_that_differ_count_half_and_are_corrected_for():
    rows = [
        Judged(f"r{i}", "", {"ann": {"intent": ("a",)}, "bob": {"intent": ("a" if i else "b",)}}) for i in range(10)
    ]
    [score] = score_against_reviewers(run_of(["a"] * 10), rows, {}, {"intent": 5})
    assert (score.rows, score.twice, score.agreement.value) == (10, 10, pytest.approx(0.95))
    assert score.corrected.value > score.agreement.value
    assert 0 < score.reviewer_error.value < 0.1


def test_a_run_and_a_gold_without_common_rows_are_refused():
    with pytest.raises(LabelledError, match="shares no row"):
        score_run(run_of(["a"]), gold([row("zzz", intent=("a",))]))
