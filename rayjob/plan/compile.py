"""Compiles steps into stages: a list of passes, each plan in, plan out. Reads nothing, calls nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rayjob.plan.graph import Operator, Plan, PlannedStep, Stage

#: Columns that exist before any step has run: what the readers give.
SOURCE_COLUMNS = ("record",)
#: Row steps that leave files of their own: samples with a uid, and vectors.
ALONE = frozenset({"prepare", "embed"})
#: Columns made for another step, which no output folder holds.
INTERMEDIATE = frozenset({"vector", "candidates", "pairs"})


class CycleError(Exception):
    """Steps that wait for each other; `names` in the order of the circle."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(" → ".join(self.names))


class MissingColumnError(Exception):
    """A step reads what no step writes."""

    def __init__(self, step: PlannedStep, column: str) -> None:
        self.step, self.column = step, column
        super().__init__(f"{step.name} reads {column}, which no step writes")


def compile_steps(job: str, steps: Sequence[PlannedStep]) -> Plan:
    """Steps in any order → a Plan. Raises MissingColumnError or CycleError."""
    ordered = order_by_columns(steps)
    kept, dropped = drop_unread_steps(ordered)
    return Plan(job, cut_at_tables(fuse_neighbours(kept)), tuple(dropped))


def order_by_columns(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Every step after those that write what it reads; else as few changes of pool as that leaves, then by name.

    The order they are written in does not count: equal pipelines have equal plans.
    """
    waits = {step.name: writers_of(step, steps) for step in steps}
    done: list[PlannedStep] = []
    left = list(steps)
    while left:
        placed = {step.name for step in done}
        ready = [step for step in left if waits[step.name] <= placed]
        if not ready:
            raise CycleError(_circle(left, waits))
        chosen = min(ready, key=lambda step: (_changes_pool(done, step), step.scope, step.name))
        done.append(chosen)
        left.remove(chosen)
    return done


def drop_unread_steps(steps: Sequence[PlannedStep]) -> tuple[list[PlannedStep], list[PlannedStep]]:
    """(kept, dropped): nobody pays for answers nobody reads. Only steps that make nothing but intermediates go."""
    kept = list(steps)
    while True:
        read = {column for step in kept for column in step.reads}
        idle = [step for step in kept if set(step.writes) <= INTERMEDIATE and not read & set(step.writes)]
        if not idle:
            return kept, [step for step in steps if step not in kept]
        kept = [step for step in kept if step not in idle]


def _changes_pool(done: Sequence[PlannedStep], step: PlannedStep) -> bool:
    """Whether taking this step next ends the operator under construction."""
    return bool(done) and (done[-1].resource, done[-1].scope) != (step.resource, step.scope)


def writers_of(step: PlannedStep, steps: Sequence[PlannedStep]) -> set[str]:
    """Names of the steps that must run before this one."""
    found: set[str] = set()
    for column in step.reads:
        writers = {other.name for other in steps if other is not step and column in other.writes}
        if not writers and column not in SOURCE_COLUMNS and column not in step.writes:
            raise MissingColumnError(step, column)
        found |= writers
    return found


def find_missing(steps: Sequence[PlannedStep]) -> list[tuple[PlannedStep, str]]:
    """Every column that a step reads and no step writes, with that step."""
    made = {column for step in steps for column in step.writes} | set(SOURCE_COLUMNS)
    return [(step, column) for step in steps for column in step.reads if column not in made]


def _circle(left: Sequence[PlannedStep], waits: dict[str, set[str]]) -> list[str]:
    """One circle among steps that wait, beginning with its first name: the same whatever their order."""
    names = {step.name for step in left}
    path = [min(names)]
    while True:
        following = min(waits[path[-1]] & names)
        if following in path:
            circle = path[path.index(following) :]
            first = circle.index(min(circle))
            return [*circle[first:], *circle[:first], circle[first]]
        path.append(following)


def fuse_neighbours(steps: Iterable[PlannedStep]) -> list[Operator]:
    """Neighbouring row steps on one resource share an operator; whole-table steps and `ALONE` ones do not."""
    operators: list[Operator] = []
    for (resource, scope, alone), group in groupby(
        steps, key=lambda step: (step.resource, step.scope, _is_alone(step))
    ):
        members = tuple(group)
        if alone:
            operators.extend(Operator(resource, scope, (step,)) for step in members)
        else:
            operators.append(Operator(resource, scope, members))
    return operators


def _is_alone(step: PlannedStep) -> bool:
    return step.scope == "table" or step.kind in ALONE


def cut_at_tables(operators: Sequence[Operator]) -> tuple[Stage, ...]:
    """A stage ends where the next operator needs files: after `prepare` (a checkpoint filters at a file source only),
    before and after a whole-table step, and where the kind of worker changes (each pool is resumed on its own)."""
    return tuple(Stage(f"{number}-{_title(operator)}", (operator,)) for number, operator in enumerate(operators, 1))


def _title(operator: Operator) -> str:
    return "+".join(dict.fromkeys(step.kind for step in operator.steps))
