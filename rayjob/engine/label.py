"""The labelling stage: prepared rows → LLM actors → labels/ and failures/, under Ray Data's checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rayjob.engine.operator import LlmOperator, OperatorJob
from rayjob.engine.sink import RunSink
from rayjob.engine.source import PreparedRows
from rayjob.llm.direct import goes_direct
from rayjob.spec.model import JobSpec
from rayjob.spec.models import ModelSpec
from rayjob.store.address import parse_address
from rayjob.store.runfolder import RunFolder

#: Calls in flight that one event loop carries, over plain HTTP and through LiteLLM, which costs eight times the CPU a
#: call; measured (docs/performance.md). A second actor costs a start of two CPU seconds and 200 MB.
PLAIN_AN_ACTOR = 400
LITELLM_AN_ACTOR = 150
#: Rows under way for every call in flight: with first calls before second ones, the end of a run is one call long.
ROWS_A_CALL = 2.0
#: Rows admitted to an actor for every call it may have in flight, so that a refill is always at hand.
ADMITTED = 3.5
TASKS_PER_ACTOR = 8
MOST_ROWS_A_BLOCK = 256
MOST_FILES = 200
MOST_ROWS_A_FILE = 5_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How the stage is cut: actors, rows in flight in each, rows a block, tasks an actor runs at once, rows a file."""

    actors: int
    most_actors: int
    rows_in_flight: int
    rows_a_block: int
    tasks: int
    rows_a_file: int
    cpus_per_actor: float


def shape_of(job: JobSpec, models: tuple[str, ...], rows: int, cpus: int, slowdown: int = 1) -> Shape:
    """The shape for `rows` rows on a cluster of `cpus`. `slowdown` divides the concurrency (the final sweep's is 4)."""
    specs = [job.models[name] for name in models if name in job.models]
    wanted = max((rows_wanted(spec) for spec in specs), default=1)
    batched = any(spec.mode == "batch" for spec in specs)
    concurrency = max(1, min(wanted // slowdown, max(1, rows)))
    most = job.run.actors.max or max(1, cpus - 3)  # reading, filtering and writing need a slot each
    needed = max((math.ceil(min(rows_wanted(spec), concurrency) / rows_an_actor(spec)) for spec in specs), default=1)
    actors = max(job.run.actors.min, min(most, needed, max(1, rows // 8)))
    share = math.ceil(concurrency / actors)
    most_rows = max([MOST_ROWS_A_BLOCK, *(math.ceil(rows_an_actor(spec) / TASKS_PER_ACTOR) for spec in specs)])
    block = max(8, min(most_rows, math.ceil(ADMITTED * share / TASKS_PER_ACTOR)), rows // 4_000)
    block = max(1, min(block, math.ceil(rows / (2 * actors))))
    return Shape(
        actors=actors,
        most_actors=max(most, actors),
        rows_in_flight=max(4, math.ceil(share * (1.0 if batched else ROWS_A_CALL))),
        rows_a_block=block,
        tasks=TASKS_PER_ACTOR,
        rows_a_file=job.output.rows_per_file or max(block, min(MOST_ROWS_A_FILE, rows // MOST_FILES)),
        cpus_per_actor=1.0 if cpus >= 8 else 0.25,
    )


def rows_an_actor(spec: ModelSpec) -> int:
    """Rows that one actor can have under way with this model."""
    most = PLAIN_AN_ACTOR if goes_direct(spec) else LITELLM_AN_ACTOR
    # Rows that wait for a batch cost an actor nothing, and two actors would make two smaller batches.
    return max(most, rows_wanted(spec)) if spec.mode == "batch" else most


def rows_wanted(spec: ModelSpec) -> int:
    """Rows that must be under way for a model to be busy: its calls in flight, or a whole batch."""
    return spec.batch.requests if spec.mode == "batch" else spec.limits.concurrency


def run_label(ray: Any, work: OperatorJob, source: str, folder: RunFolder, name: str, shape: Shape) -> None:
    """Run the stage to its end (or to the end of a drain). Rows that the checkpoint knows are not read again."""
    from ray.data import ActorPoolStrategy, DataContext
    from ray.data.checkpoint import CheckpointConfig

    where = parse_address(folder.checkpoint(name))
    root = parse_address(folder.path)
    context = DataContext.get_current()
    checkpoint = CheckpointConfig(
        id_column="uid", checkpoint_path=where.path, override_filesystem=where.filesystem(),
        delete_checkpoint_on_success=False,
    )  # fmt: skip
    checkpoint.checkpoint_actor_pool_max_size = 1  # more of it would take slots from the rest
    context.checkpoint_config = checkpoint
    try:  # the dataset takes a copy of the context along; left there, it would reach what another thread reads
        dataset = ray.data.read_datasource(PreparedRows(source))
    finally:
        context.checkpoint_config = None
    # strict: else no block is larger than Ray cut the input, and an actor's tasks hold too few rows to fill its calls.
    dataset = dataset.repartition(target_num_rows_per_block=shape.rows_a_block, strict=True)
    dataset = dataset.map_batches(
        LlmOperator,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(work,),
        compute=_pool(ActorPoolStrategy, shape),
        num_cpus=shape.cpus_per_actor,
    )
    dataset.write_datasink(RunSink(folder.path, root.filesystem(), root.path, shape.rows_a_file, work.target))


def _pool(strategy: Any, shape: Shape) -> Any:
    return strategy(
        min_size=shape.actors,
        max_size=shape.actors if shape.actors == shape.most_actors else shape.most_actors,
        initial_size=shape.actors,
        max_tasks_in_flight_per_actor=2 * shape.tasks,
        max_concurrent_calls_per_actor=shape.tasks,
    )
