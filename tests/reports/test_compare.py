"""Comparisons over files: the published table's own formulas, joining, what is missing, history against a reference."""

from __future__ import annotations

import json
import math
import random

import pytest

from rayjob.reports.compare import Options, compare_sides
from rayjob.reports.compare_details import find_details
from rayjob.reports.compare_tables import agreement_table, all_tables
from rayjob.reports.labelled import LabelledError
from rayjob.reports.labelled_files import conversation_text, read_labelled, read_texts
from tests.reports.labelled_sides import record, side
from tests.shared_data import shared

FAST = Options(draws=50)
DIMENSIONS = ("intent", "language", "domain", "task", "difficulty", "concept", "agentic", "constraint", "context")


def other_model(records: list[dict], seed: int = 4) -> list[dict]:
    """The same rows as another model might label them: shuffled, tags dropped, swapped and added."""
    rng, changed = random.Random(seed), json.loads(json.dumps(records))
    rng.shuffle(changed)
    pools = {name: sorted({str(tag) for r in records for tag in _as_list(r["labels"][name])}) for name in DIMENSIONS}
    for row in changed:
        for name in DIMENSIONS:
            if rng.random() < 0.4:
                value = row["labels"][name]
                row["labels"][name] = (
                    rng.choice(pools[name]) if isinstance(value, str) else _mutate(value, pools[name], rng)
                )
                row["labels"]["confidence"][name] = rng.choice([0.6, 0.8, 0.95])
    return changed


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _mutate(value: list, pool: list, rng: random.Random) -> list:
    kept = [tag for tag in value if rng.random() < 0.7]
    return kept + [tag for tag in rng.sample(pool, 1) if tag not in kept]


def published_table(a: list[dict], b: list[dict]) -> tuple[list[list[str]], str]:
    """The table as the trial's script computed it, row by row and in plain Python."""
    by_id = {row["id"]: row for row in b}
    pairs = [(row["labels"], by_id[row["id"]]["labels"]) for row in a if row["id"] in by_id]
    lines, agreed, checked = [], 0, 0
    for name in DIMENSIONS:
        exact = partial = 0
        jaccards, conf_a, conf_b = [], [], []
        for x, y in pairs:
            left, right = ({tag for tag in _as_list(side[name]) if tag} for side in (x, y))
            exact += left == right
            partial += left != right and bool(left & right)
            jaccards.append(1.0 if not left | right else len(left & right) / len(left | right))
            conf_a.append(x["confidence"][name])
            conf_b.append(y["confidence"][name])
        n = len(pairs)
        means = round(math.fsum(conf_a) / n, 3), round(math.fsum(conf_b) / n, 3)
        rates = round(exact / n, 4), round((exact + partial) / n, 4), round(sum(jaccards) / n, 4)
        shown = f"{rates[0] * 100:.1f}%", f"{rates[1] * 100:.1f}%", f"{rates[2]:.3f}"
        lines.append([name, str(n), *shown, f"{means[0]:.3f}", f"{means[1]:.3f}", f"{means[1] - means[0]:+.3f}"])
        agreed, checked = agreed + exact, checked + n
    return lines, f"{agreed / checked * 100:.1f}%"


@pytest.mark.parametrize("seed", range(5))
def test_published_table_comes_out_to_the_last_digit(tmp_path, seed):
    path = shared("gold108/labeled_deepseek_v4.json")
    ours = json.loads(path.read_text())
    theirs = other_model(ours, seed)
    sides = [read_labelled(str(path)), side(tmp_path, "other", theirs)]
    found = compare_sides(sides, FAST)
    table = agreement_table(found, found.pairs[0])
    lines, overall = published_table(ours, theirs)
    assert [list(row) for row in table.rows[:-1]] == lines
    assert table.rows[-1][2] == overall


def test_rows_are_joined_by_id_and_what_is_missing_is_said(tmp_path):
    records = [record(i, concept=("x",)) for i in range(10)]
    shuffled = [*reversed(records[2:]), record(99), {"id": "r050", "labels": {}}, {"id": "r051"}]
    found = compare_sides([side(tmp_path, "a", records), side(tmp_path, "b", shuffled)], FAST)
    assert len(found.joined.keys) == 8
    assert found.joined.missing == (("r099",), ("r000", "r001"))
    assert found.joined.unlabelled == ((), ("r050", "r051"))
    assert found.pairs[0].metrics["overall"]["exact"].value == 1.0


def test_ids_that_stand_twice_are_left_out_unless_uids_tell_them_apart(tmp_path):
    twice = [record(1), record(1, intent="learn"), record(2)]
    found = compare_sides([side(tmp_path, "a", twice), side(tmp_path, "b", [record(1), record(2)])], FAST)
    assert found.joined.keys == ("r002",)
    assert found.joined.duplicated[0] == ("r001",)
    turns = [record(1, uid=f"f:1:{turn}") for turn in range(3)]
    found = compare_sides([side(tmp_path, "c", turns), side(tmp_path, "d", turns[::-1])], FAST)
    assert (found.joined.by, len(found.joined.keys)) == ("uid", 3)


def test_a_dimension_missing_on_one_side_is_said_and_not_compared(tmp_path):
    without = [record(i) for i in range(5)]
    for row in without:
        del row["labels"]["concept"]
    found = compare_sides([side(tmp_path, "a", [record(i) for i in range(5)]), side(tmp_path, "b", without)], FAST)
    assert found.joined.lacking == ((), ("concept",))
    assert "concept" not in found.pairs[0].metrics


def test_a_side_that_says_nothing_is_compared_and_one_without_labels_refused(tmp_path):
    full = [record(i, concept=("x",)) for i in range(6)]
    silent = [{"id": row["id"], "labels": {"intent": "", "concept": []}} for row in full]
    found = compare_sides([side(tmp_path, "a", full), side(tmp_path, "b", silent)], FAST)
    assert found.pairs[0].metrics["concept"]["jaccard"].value == 0.0
    assert found.pairs[0].metrics["intent"]["exact"].value == 0.0
    with pytest.raises(LabelledError, match="no id is on all sides"):
        compare_sides([side(tmp_path, "a", full), side(tmp_path, "c", [])], FAST)


def test_agreement_on_silence_does_not_hide_disagreement(tmp_path):
    a = [record(i, concept=("x",) if i < 4 else ()) for i in range(100)]
    b = [record(i, concept=("y",) if i < 4 else ()) for i in range(100)]
    metrics = compare_sides([side(tmp_path, "a", a), side(tmp_path, "b", b)], FAST).pairs[0].metrics["concept"]
    assert metrics["exact"].value == pytest.approx(0.96)
    assert metrics["exact_said"].value == 0.0
    assert metrics["kappa"].value == pytest.approx(0)


def test_history_says_which_gain_is_beyond_noise(tmp_path):
    gold = [record(i, intent="learn") for i in range(200)]
    v1 = [record(i, intent="learn" if i % 2 else "build") for i in range(200)]
    v2 = [record(i, intent="learn" if i % 2 or i < 4 else "build") for i in range(200)]
    v3 = [record(i, intent="learn" if i < 180 else "build") for i in range(200)]
    sides = [side(tmp_path, name, rows) for name, rows in (("gold", gold), ("v1", v1), ("v2", v2), ("v3", v3))]
    found = compare_sides(sides, Options(draws=300, reference=0))
    gains = [step.changes["intent"]["exact"] for step in found.steps]
    assert [round(gain.value, 3) for gain in gains] == [0.01, 0.39]
    assert [gain.beyond_noise for gain in gains] == [False, True]
    history = next(table for table in all_tables(found, find_details(found)) if "exact against gold" in table.title)
    row = next(row for row in history.rows if row[0] == "intent")
    assert row == ("intent", "50.0%", "51.0% (+1.0%)", "90.0% (+39.0%*)")


def test_a_dimension_that_a_version_lacks_moves_no_overall(tmp_path):
    gold = [record(i, intent="learn") for i in range(60)]
    v1 = [record(i, intent="learn" if i % 2 else "build") for i in range(60)]
    v2 = [{"id": row["id"], "labels": {"task": ["t"]}} for row in v1]
    sides = [side(tmp_path, name, rows) for name, rows in (("gold", gold), ("v1", v1), ("v2", v2))]
    found = compare_sides(sides, Options(draws=100, reference=0))
    change = found.steps[0].changes["overall"]["exact"]
    assert (change.value, change.beyond_noise) == (0.0, False)
    history = next(table for table in all_tables(found, find_details(found)) if "exact against gold" in table.title)
    assert history.rows[-1] == ("overall", "87.5%", "100.0% (0.0%)")


def test_rows_that_one_side_leaves_open_are_in_no_cell_of_the_grid(tmp_path):
    run = [record(i) for i in range(4)]
    gold = tmp_path / "gold.jsonl"
    rows = [{"id": f"r{i:03}", "labels": {"intent": "build", "difficulty": "expert"}} for i in range(3)]
    open_row = {"id": "r003", "labels": {"absent": "x"}}
    gold.write_text("".join(json.dumps(line) + "\n" for line in [{"gold": 1}, *rows, open_row]))
    grid = find_details(compare_sides([side(tmp_path, "run", run), read_labelled(str(gold))], FAST)).grid
    assert (grid.counts.tolist(), grid.agreement.tolist()) == ([[3.0]], [[1.0]])


@pytest.mark.parametrize("has_ids", [True, False])
def test_replies_of_one_conversation_are_drawn_together(tmp_path, has_ids):
    """Ten copies of a row are no more evidence than one: the interval is that of the conversations."""
    a = [record(i, intent="build" if i % 3 else "learn") for i in range(40)]
    b = [record(i, intent="build") for i in range(40)]

    def sliced(rows: list[dict]) -> list[dict]:
        uids = [(row, f"f#{i:02}#{turn}") for i, row in enumerate(rows) for turn in range(10)]
        return [row | {"uid": uid, "id": row["id"] if has_ids else ""} for row, uid in uids]

    whole = compare_sides([side(tmp_path, "a", a), side(tmp_path, "b", b)], Options(draws=300))
    parts = compare_sides([side(tmp_path, "c", sliced(a)), side(tmp_path, "d", sliced(b))], Options(draws=300))
    assert len(parts.joined.keys) == 400
    for name in ("exact", "kappa"):
        one, ten = (found.pairs[0].metrics["intent"][name] for found in (whole, parts))
        assert (ten.value, ten.low, ten.high) == pytest.approx((one.value, one.low, one.high), nan_ok=True)
    assert parts.steps[0].changes["intent"]["tags"].value == whole.steps[0].changes["intent"]["tags"].value
    note = all_tables(parts, find_details(parts))[0].note
    assert note.endswith("300 bootstrap draws over 40 conversations (their rows are drawn together).")


def test_a_reply_without_labels_is_not_missing_too(tmp_path):
    turns = [record(1, uid=f"f#1#{turn}") for turn in range(3)]
    failed = [*turns[:2], {"id": "r001", "uid": "f#1#2", "labels": None}]
    joined = compare_sides(
        [side(tmp_path, "a", turns), side(tmp_path, "b", failed)], Options(by="uid", draws=20)
    ).joined
    assert (joined.missing[1], joined.unlabelled[1]) == ((), ("f#1#2",))


def test_uids_of_an_input_that_changed_join_nothing(tmp_path):
    before, after = ([record(i, uid=f"f#{at}#{turn}") for at, i in enumerate(order) for turn in range(2)]
                     for order in ((1, 2), (2, 1)))  # fmt: skip
    with pytest.raises(LabelledError, match=r"uid 'f#0#0' is record 'r001' in .*a.json and record 'r002' in .*b.json"):
        compare_sides([side(tmp_path, "a", before), side(tmp_path, "b", after)], FAST)


def test_violations_are_told_apart_from_suggestions(tmp_path):
    a = record(1, unmapped=[{"dimension": "concept", "value": "z", "kind": "violation"}])
    b = record(2, unmapped=[{"dimension": "", "value": "new-idea", "kind": "suggestion"}, "another"])
    c = record(3, unmapped=[{"dimension": "task", "value": "old"}])
    found = side(tmp_path, "a", [a, b, c])
    assert found.violations == {"concept:z": 1, "task:old": 1}
    assert found.suggestions == {"new-idea": 1, "another": 1}
    assert found.violating.tolist() == [1, 0, 1]


def test_the_trials_own_files_say_which_entry_was_rejected(tmp_path):
    entries = [{"dimension": "task", "value": "automation"}, {"dimension": "concept", "value": "an offer"}]
    monitor = {"llm_calls": 2, "validation_issues": ["task: 'automation' not in pool"]}
    found = side(tmp_path, "a", [record(1, unmapped=entries, labeling_monitor=monitor)])
    assert (found.violations, found.suggestions) == ({"task:automation": 1}, {"concept:an offer": 1})
    assert found.usage.calls == 2


def test_rows_apart_come_with_their_text(tmp_path):
    turns = [{"from": "human", "value": "why?"}, {"from": "gpt", "value": "because"}]
    a = [record(i, conversations=turns) for i in range(3)]
    b = [record(i, intent="learn" if i == 1 else "build", conversations=turns) for i in range(3)]
    found = compare_sides([side(tmp_path, "a", a), side(tmp_path, "b", b)], FAST)
    apart = find_details(found).rows
    assert [(row.key, row.differences) for row in apart] == [("r001", {"intent": ("build", "learn")})]
    assert read_texts(found.sides[0].path, ["r001"]) == {"r001": "user: why?\n\nassistant: because"}


@pytest.mark.parametrize(
    ("conversation", "text"),
    [
        ('[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]', "user: hi\n\nassistant: yes"),
        ('[{"instruction": "Plot it", "input": "", "output": "Done"}]', "user: Plot it\n\nassistant: Done"),
        ("[]", ""),
        ("no JSON", "no JSON"),
        (None, ""),
    ],
)
def test_a_runs_conversation_is_shown_whatever_its_format(conversation, text):
    assert conversation_text({"id": "1", "conversation": conversation}) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": 1}\n{broken\n', ":2: "),
        ("[1, 2]\n", "not an object"),
        ('{"labels": {"intent": "x"}}', "neither id nor uid"),
    ],
)
def test_files_that_are_no_labels_say_what_is_wrong_where(tmp_path, content, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    with pytest.raises(LabelledError, match=message):
        read_labelled(str(path))


def test_a_path_that_is_not_there_says_what_is_accepted(tmp_path):
    with pytest.raises(LabelledError, match=r"no such file.*run folder"):
        read_labelled(str(tmp_path / "nothing.json"))
    with pytest.raises(LabelledError, match=r"no labels/\*\.parquet"):
        read_labelled(str(tmp_path))


def test_sets_written_as_one_text_are_taken_apart_where_the_other_side_has_lists(tmp_path):
    lists = [record(i, concept=("x", "y") if i % 2 else ()) for i in range(6)]
    texts = [
        {"id": row["id"], "labels": {"intent": "a, b", "concept": ", ".join(row["labels"]["concept"])}} for row in lists
    ]
    for row in lists:
        row["labels"]["intent"] = "a, b"  # a single tag stays whole: nobody says that it is a set
    found = compare_sides([side(tmp_path, "lists", lists), side(tmp_path, "texts", texts)], FAST)
    assert found.coded["concept"].tags == ("x", "y")
    assert found.coded["intent"].tags == ("a, b",)
    assert {metrics["exact"].value for metrics in found.pairs[0].metrics.values()} == {1.0}


def test_duplicates_in_a_set_count_once_and_null_says_nothing(tmp_path):
    ours = [{"id": "1", "labels": {"concept": ["x", "x"]}}, {"id": "2", "labels": {"concept": None}}]
    theirs = [{"id": "1", "labels": {"concept": ["x"]}}, {"id": "2", "labels": {"concept": []}}]
    found = compare_sides([side(tmp_path, "a", ours), side(tmp_path, "b", theirs)], FAST)
    assert found.pairs[0].metrics["concept"]["exact"].value == 1.0


def test_a_side_without_labels_or_ids_says_what_it_has(tmp_path):
    bare = [{"id": "r001", "annotations": {"intent": "build"}}]
    with pytest.raises(LabelledError, match="1 records without `labels`"):
        compare_sides([side(tmp_path, "a", [record(1)]), side(tmp_path, "b", bare)], FAST)
    with pytest.raises(LabelledError, match=r"it has: sample_id, labels"):
        side(tmp_path, "c", [{"sample_id": 1, "labels": {"intent": "build"}}])


def test_one_page_says_each_number_once(tmp_path):
    """The mean confidence of the agreement table and of the history are the same digits."""
    ours = [record(i) for i in range(8)]
    for number, row in enumerate(ours):
        row["labels"]["confidence"] = {"intent": 0.9135 + 0.00001 * number}
    found = compare_sides([side(tmp_path, "a", ours), side(tmp_path, "b", ours)], FAST)
    tables = {table.title: table for table in all_tables(found, find_details(found))}
    assert tables["Agreement: a | b"].rows[0][5] == tables["History: mean confidence"].rows[0][1] == "0.914"


def test_the_overall_row_is_the_last_and_no_number_is_minus_zero(tmp_path):
    silent = [{"id": row["id"], "labels": {"intent": "", "concept": []}} for row in [record(i) for i in range(6)]]
    full = [record(i, concept=("x",) if i % 2 else ("y",)) for i in range(6)]
    found = compare_sides([side(tmp_path, "a", full), side(tmp_path, "b", silent)], FAST)
    for table in all_tables(found, find_details(found)):
        assert not any("-0.000" in cell for row in table.rows for cell in row)
        if table.title.startswith(("Agreement", "Beyond")):
            assert table.rows[-1][0] == "overall"


def test_the_order_of_a_file_changes_no_digit(tmp_path):
    ours = [record(i, concept=("x",) if i % 3 else ()) for i in range(40)]
    theirs = [record(i, intent="learn" if i % 4 else "build", concept=("x",) if i % 5 else ("y",)) for i in range(40)]
    straight = compare_sides([side(tmp_path, "a", ours), side(tmp_path, "b", theirs)], FAST)
    turned = compare_sides([side(tmp_path, "c", ours[::-1]), side(tmp_path, "d", theirs)], FAST)
    assert repr(straight.pairs[0].metrics) == repr(turned.pairs[0].metrics)  # nan is not nan
