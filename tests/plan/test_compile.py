"""The passes of the compiler, one by one: plan in, plan out, and what each refuses."""

from __future__ import annotations

import itertools

import pytest

from rayjob.plan.compile import (
    CycleError,
    MissingColumnError,
    compile_steps,
    cut_at_tables,
    drop_unread_steps,
    find_missing,
    fuse_neighbours,
    order_by_columns,
)
from rayjob.plan.graph import Operator, PlannedStep, Resource, Scope

RUNS: dict[str, tuple[Resource, Scope]] = {
    "prepare": ("cpu", "row"), "label": ("llm", "row"), "arbitrate": ("llm", "row"), "embed": ("gpu", "row"),
    "cluster": ("cpu", "table"), "represent": ("cpu", "table"), "generate": ("llm", "row"), "choose": ("gpu", "row"),
}  # fmt: skip


def step(name: str, reads: str = "", writes: str = "", kind: str = "") -> PlannedStep:
    """`step("label a", "transcript", "labels.a")`: the kind is the first word of the name."""
    kind = kind or name.split()[0]
    resource, scope = RUNS[kind]
    return PlannedStep(name, kind, resource, scope, tuple(reads.split()), tuple(writes.split()))


PREPARE = step("prepare", "record", "transcript query")
INTENT = step("label intent", "transcript", "labels.intent")
CONCEPT = step("label concept", "transcript labels.intent", "labels.concept")
ARBITRATE = step("arbitrate", "labels.intent labels.concept", "arbitrated")
EMBED = step("embed", "query", "vector")
CLUSTER = step("cluster", "vector", "cluster")
REPRESENT = step("represent", "vector cluster", "representative")
ALL = (PREPARE, INTENT, CONCEPT, ARBITRATE, EMBED, CLUSTER, REPRESENT)


def names(steps: list[PlannedStep] | tuple[PlannedStep, ...]) -> list[str]:
    return [one.name for one in steps]


def test_columns_give_the_order_whatever_was_written_first() -> None:
    expected = ["prepare", "label intent", "label concept", "arbitrate"]
    for order in itertools.permutations((PREPARE, INTENT, CONCEPT, ARBITRATE)):
        assert names(order_by_columns(order)) == expected


def test_the_plan_and_its_hash_do_not_depend_on_the_order_written() -> None:
    plans = {compile_steps("job", order) for order in itertools.permutations(ALL)}
    assert len(plans) == 1
    assert len({plan.hash() for plan in plans}) == 1


def test_another_step_another_hash() -> None:
    plan = compile_steps("job", ALL)
    changed = [
        compile_steps("job", ALL[:-1]),
        compile_steps("other", ALL),
        compile_steps("job", (*ALL, step("label z"))),
    ]
    assert len({plan.hash(), *(one.hash() for one in changed)}) == 4


def test_steps_on_one_resource_stay_together() -> None:
    found = order_by_columns(
        [EMBED, INTENT, step("embed b", "query", "vector"), PREPARE, step("label z", "query", "z")]
    )
    assert names(found) == ["prepare", "embed", "embed b", "label intent", "label z"]


def test_a_column_that_nobody_writes_is_refused() -> None:
    with pytest.raises(MissingColumnError, match="cluster reads vector, which no step writes"):
        order_by_columns([PREPARE, CLUSTER])
    assert [(one.name, column) for one, column in find_missing([PREPARE, CLUSTER, REPRESENT])] == [
        ("cluster", "vector"), ("represent", "vector"),
    ]  # fmt: skip


def test_a_circle_is_named_the_same_whatever_was_written_first() -> None:
    circle = [step("label a", "x.c", "x.a"), step("label b", "x.a", "x.b"), step("label c", "x.b", "x.c")]
    for order in itertools.permutations([*circle, PREPARE, step("label d", "x.a", "x.d")]):
        with pytest.raises(CycleError) as caught:
            order_by_columns(order)
        assert caught.value.names == ("label a", "label c", "label b", "label a")


def test_a_step_that_reads_its_own_column_waits_for_nobody() -> None:
    assert names(order_by_columns([step("label a", "labels.a", "labels.a")])) == ["label a"]


def test_what_nobody_reads_is_dropped() -> None:
    kept, dropped = drop_unread_steps([PREPARE, EMBED, INTENT])
    assert (names(kept), names(dropped)) == (["prepare", "label intent"], ["embed"])


def test_what_only_dropped_steps_read_is_dropped_too() -> None:
    pairs = step("generate b", "candidates", "pairs")
    kept, dropped = drop_unread_steps([PREPARE, step("generate", "query", "candidates"), pairs])
    assert (names(kept), names(dropped)) == (["prepare"], ["generate", "generate b"])


def test_results_are_kept_though_no_step_reads_them() -> None:
    assert drop_unread_steps(ALL) == (list(ALL), [])


def test_neighbours_on_one_resource_share_an_operator() -> None:
    found = fuse_neighbours([PREPARE, INTENT, CONCEPT, ARBITRATE, EMBED])
    assert [(one.resource, names(one.steps)) for one in found] == [
        ("cpu", ["prepare"]), ("llm", ["label intent", "label concept", "arbitrate"]), ("gpu", ["embed"]),
    ]  # fmt: skip


def test_a_whole_table_step_shares_with_nobody() -> None:
    found = fuse_neighbours([PREPARE, CLUSTER, REPRESENT])
    assert [names(one.steps) for one in found] == [["prepare"], ["cluster"], ["represent"]]


def test_an_operator_lists_its_models_once() -> None:
    steps = [
        PlannedStep("a", "label", "llm", "row", (), (), ("worker",)),
        PlannedStep("b", "arbitrate", "llm", "row", (), (), ("judge", "worker")),
    ]
    assert Operator("llm", "row", tuple(steps)).models == ("worker", "judge")


def test_a_stage_ends_after_prepare_around_a_whole_table_step_and_where_workers_change() -> None:
    stages = cut_at_tables(fuse_neighbours(order_by_columns(ALL)))
    assert [one.name for one in stages] == ["1-prepare", "2-embed", "3-label+arbitrate", "4-cluster", "5-represent"]


def test_vectors_have_files_of_their_own() -> None:
    choose = step("choose", "query", "choice")
    stages = compile_steps("job", [PREPARE, EMBED, choose, CLUSTER]).stages
    assert [one.name for one in stages] == ["1-prepare", "2-choose", "3-embed", "4-cluster"]
