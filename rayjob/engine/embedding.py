"""The embed stage: a pool of actors turns parts of the prepared rows into vectors; none is computed twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rayjob.engine.embed_remote import EmbeddingStoppedError, Remote, RemoteNetwork
from rayjob.engine.parts import Part
from rayjob.spec.spread import EmbedStep
from rayjob.steps.embed import Embed, read_vectors, vector_column
from rayjob.store import files
from rayjob.store.parquetwrite import write_parquet

if TYPE_CHECKING:
    from rayjob.choice.embedder import Embedder

ROWS_A_CALL = 1_024
SORTED = orjson.OPT_SORT_KEYS
Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class EmbedWork:
    """What an actor needs: the step, the parts, where their vectors go, where vectors are kept by text.

    `remote`: the model behind an API that embeds; None where a network of our own does.
    """

    spec: EmbedStep
    parts: tuple[Part, ...]
    stage: str
    kept: str
    remote: Remote | None = None

    def file_of(self, part: Part) -> str:
        """The vectors of a part: columns place (row within the part), uid, vector; rows that failed are left out."""
        return f"{self.stage}/{part.name}.parquet"

    def identity(self, compute: str) -> str:
        """What decides a vector: another model, another length limit, or numbers of another kind to compute in."""
        if self.remote is not None:
            return f"{self.remote.model.model}|{orjson.dumps(self.remote.model.params, option=SORTED).decode()}"
        return f"{self.spec.model}|{compute}|{self.spec.max_tokens}"


class VectorFiles:
    """A VectorStore in a folder of Parquet files, each sorted by key; several actors write to it at the same time."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.segments: dict[str, NDArray[np.bytes_]] = {}

    def load(self, keys: Sequence[str]) -> Mapping[str, Vectors]:
        """The vectors of those keys that are here by now."""
        for file in files.list_folder(self.uri):
            if file.endswith(".parquet") and file not in self.segments:
                self.segments[file] = _keys_of(file)
        wanted = np.array(sorted(set(keys)), dtype="S32")
        found: dict[str, Vectors] = {}
        for file, known in self.segments.items():
            places = np.minimum(np.searchsorted(known, wanted), max(0, len(known) - 1))
            hits = np.flatnonzero(known[places] == wanted) if len(known) else np.empty(0, np.int64)
            if len(hits):
                with files.open_input(file) as source:
                    table = pq.read_table(source, columns=["vector"]).take(pa.array(places[hits]))
                named = (bytes(key).decode() for key in wanted[hits])
                found.update(zip(named, read_vectors(table["vector"]), strict=True))
        return found

    def save(self, vectors: Mapping[str, Vectors]) -> None:
        """One more file, whole or absent."""
        keys = sorted(vectors)
        table = pa.table({"key": keys, "vector": vector_column(np.stack([vectors[key] for key in keys]))})
        file = f"{self.uri}/{uuid.uuid4().hex}.parquet"
        write_parquet(file, table)
        self.segments[file] = np.array(keys, dtype="S32")


def _keys_of(file: str) -> NDArray[np.bytes_]:
    with files.open_input(file) as source:
        return np.array(pq.read_table(source, columns=["key"])["key"].to_pylist(), dtype="S32")


class EmbedPart:
    """The callable class that Ray Data keeps in each actor: numbers of parts in, counts of rows out."""

    def __init__(self, work: EmbedWork) -> None:
        self.remote = RemoteNetwork(work.remote) if work.remote is not None else None
        self.work = work
        network = self.remote or load(work.spec)
        self.embed = Embed(work.spec, network, VectorFiles(work.kept), work.identity(network.compute))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"rows": np.array([self._part(self.work.parts[int(item)]) for item in batch["item"]])}

    def _part(self, part: Part) -> int:
        """Rows embedded; 0 where the run ends meanwhile. What an API was paid for a part is noted beside it."""
        if self.remote is None:
            return self._embed(part)
        before = self.remote.spent()
        try:
            rows = self._embed(part)
        except EmbeddingStoppedError:
            rows = 0
        self.remote.tell()
        self._note(part, before, self.remote.spent())
        return rows

    def _note(self, part: Part, before: Mapping[str, float], now: Mapping[str, float]) -> None:
        """Adds what was paid meanwhile to what earlier tries at this part had paid."""
        paid = {name: now[name] - before[name] for name in now}
        if any(paid.values()):
            earlier = read_note(self.work, part)
            note = {name: earlier.get(name, 0) + value for name, value in paid.items()}
            files.write_atomic(note_of(self.work, part), orjson.dumps(note))

    def _embed(self, part: Part) -> int:
        table = part.read(["uid", "failure", *self.work.spec.reads])
        good = np.flatnonzero(table["failure"].is_null().to_numpy())
        table = table.take(pa.array(good))
        made = [self._vectors(batch.to_pylist()) for batch in table.to_batches(max_chunksize=ROWS_A_CALL)]
        columns = {"place": pa.array(good, pa.int64()), "uid": table["uid"]}
        if len(good):
            columns["vector"] = vector_column(np.concatenate(made))
        write_parquet(self.work.file_of(part), pa.table(columns))
        return len(good)

    def _vectors(self, rows: list[dict[str, Any]]) -> Vectors:
        return np.stack([row["vector"] for row in self.embed(rows)])


def load(spec: EmbedStep) -> Embedder:
    """The network of our own."""
    from rayjob.choice.embedder import Embedder  # imports torch: only in the actor

    return Embedder(spec.model, spec.device, spec.compute, spec.batch, spec.max_tokens)


@dataclass(frozen=True, slots=True)
class Pool:
    """How many torch actors, and what each of them takes."""

    actors: int
    cpus: float
    gpus: float


def pool_of(resources: Mapping[str, float], gpus_per_actor: float, parts: int) -> Pool:
    """GPU actors where the cluster has GPUs and the spec wants them; else a CPU each, three left for the rest."""
    gpus = resources.get("GPU", 0.0)
    if gpus and gpus_per_actor:
        return Pool(max(1, min(parts, int(gpus / gpus_per_actor))), 1.0, gpus_per_actor)
    return Pool(max(1, min(parts, int(resources.get("CPU", 1)) - 3)), 1.0, 0.0)


def note_of(work: EmbedWork, part: Part) -> str:
    """The file that says what an API was paid for a part."""
    return f"{work.stage}/{part.name}.json"


def read_note(work: EmbedWork, part: Part) -> dict[str, float]:
    """What an API was paid for a part: calls, tokens, dollars; empty where nothing was."""
    name = note_of(work, part)
    note: dict[str, float] = orjson.loads(files.read_bytes(name)) if files.exists(name) else {}
    return note


def sum_spent(work: EmbedWork) -> dict[str, float]:
    """What parts cost where an API embeds: calls, tokens, dollars; empty where none does."""
    if work.remote is None:
        return {}
    found: dict[str, float] = {"calls": 0, "tokens": 0, "cost_usd": 0.0}
    for part in work.parts:
        for key, value in read_note(work, part).items():
            found[key] += value
    return {**found, "cost_usd": round(found["cost_usd"], 9)}


def run_embed(
    ray: Any, work: EmbedWork, gpus_per_actor: float, is_stopping: Callable[[], str], tell: Callable[[int], None]
) -> None:
    """Embed the parts that have no vectors yet; each is whole or absent, so a killed stage goes on where it was.

    `tell` hears how many rows more have their vectors.
    """
    left = [part for part in work.parts if not files.exists(work.file_of(part))]
    tell(sum(part.rows for part in work.parts) - sum(part.rows for part in left))
    if not left:
        return
    pool = pool_of(ray.cluster_resources(), gpus_per_actor if work.remote is None else 0.0, len(left))
    numbers = [{"item": part.number} for part in left]
    dataset = ray.data.from_items(numbers, override_num_blocks=len(left)).map_batches(
        EmbedPart,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=pool.actors),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
    for done in dataset.iter_rows():
        tell(done["rows"])
        if is_stopping():
            return
