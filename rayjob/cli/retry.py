"""`rayjob retry RUN`: labels failed rows of a run again, in the run's own folder, perhaps with another model."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from rayjob.cli.run import SET, UserError, output_at, say_lost, start
from rayjob.cli.specs import Opened, open_text
from rayjob.cli.witness import run_witnessed
from rayjob.labels.asking import FAILURE_KINDS
from rayjob.spec.label import LabelStep
from rayjob.spec.models import ModelSpec
from rayjob.spec.wording import unknown

if TYPE_CHECKING:
    from rayjob.store.runfolder import RunFolder

#: What another attempt cannot mend: the row itself is no conversation.
HOPELESS = ("unreadable", "empty")
#: What a spec says of a provider rather than of a question, and what it is where nothing is said.
OF_PROVIDER = {
    "api_base": "null", "replicas": "[]", "api_key_env": "null", "transport": "auto", "structured": "auto",
    "mode": "live", "params": "{}", "limits": "{}",
}  # fmt: skip
RETRIED = tuple(kind for kind in FAILURE_KINDS if kind not in HOPELESS)


def retry(
    run: str = typer.Argument(..., metavar="RUN", help="The run's output folder, local or s3://."),
    only: str = typer.Option("", "--only", help=f"Kinds of failure, by commas: {', '.join(RETRIED)}. Default: all."),
    model: str = typer.Option("", "--model", help="Ask this model instead: one of the spec, or LiteLLM's name of one."),
    overrides: list[str] = SET,
) -> None:
    """Label the failed rows of RUN again and merge what comes of it. The spec is the one that RUN was made with."""
    work = partial(ask_again, run, only, model, overrides or [])
    raise typer.Exit(run_witnessed(work, lambda code: say_lost(run, code)))


def ask_again(run: str, only: str, model: str, sets: list[str]) -> int:
    """The whole command; returns the exit code."""
    from rayjob.store.runfolder import RunFolder

    kinds = parse_kinds(only)
    folder = RunFolder(run)
    text = recorded_spec(folder)
    failures = known_failures(folder)
    if not any(failures.get(kind) for kind in kinds):
        have = ", ".join(f"{kind} {count}" for kind, count in sorted(failures.items())) or "no failed row"
        typer.echo(f"{run}: nothing to do (failures: {have})")
        return 0
    here = output_at(run)
    first = open_text(text, folder.at("run.json"), [here, *sets])
    # The user's overrides come last: `--set models.worker.api_key_env=…` is how another provider gets its key.
    use = use_model(first, model) if model else []
    again = open_text(text, folder.at("run.json"), [here, *use, *sets]) if use else first
    return start(again, redo=kinds, recorded=first.resolved)


def parse_kinds(only: str) -> tuple[str, ...]:
    """`timeout,filtered` as kinds; all that another attempt may mend where it is empty. Raises UserError."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    wrong = next((name for name in names if name not in RETRIED), None)
    if wrong in HOPELESS:
        raise UserError(f"--only {wrong}: such a row holds no conversation, and asking again does not mend it")
    if wrong is not None:
        raise UserError(f"--only: {unknown('kind of failure', wrong, RETRIED)}")
    return tuple(dict.fromkeys(names)) or RETRIED


def known_failures(folder: RunFolder) -> Counter[str]:
    """Failed rows by kind: as they stand, where a killed session left no stats; and as the stats say, where a killed
    retry had taken them back."""
    from rayjob.store.parquetread import read_batches

    counted: Counter[str] = Counter((folder.read_json("stats.json") or {}).get("failures") or {})
    batches = (batch for uri in folder.parquet("failures") for batch in read_batches(uri, ["kind"]))
    standing: Counter[str] = Counter(kind for batch in batches for kind in batch["kind"].to_pylist())
    return counted | standing


def recorded_spec(folder: RunFolder) -> str:
    """The spec that a run was made with, as JSON. Raises UserError."""
    found: dict[str, Any] | None = folder.read_json("run.json")
    if found is None or "spec" not in found:
        raise UserError(f"{folder.path} holds no run: its run.json is missing")
    return json.dumps(found["spec"], ensure_ascii=False)  # YAML knows no pair of \u for an emoji


def use_model(opened: Opened, model: str) -> list[str]:
    """Overrides by which every label step asks another model. Raises UserError."""
    job = opened.resolved.job
    labels = [(index, step.settings) for index, step in enumerate(job.steps) if isinstance(step.settings, LabelStep)]
    if model in job.models:
        return [f"steps.{index}.label.model={json.dumps(model)}" for index, _ in labels]
    if "/" not in model:
        raise UserError(f"--model: {unknown('model', model, job.models)}, and LiteLLM's names are provider/model")
    used = dict.fromkeys(settings.model for _, settings in labels)
    return [value for name in used for value in replace_model(name, job.models[name], model)]


def replace_model(name: str, spec: ModelSpec, model: str) -> list[str]:
    """Overrides that put another model in the place of one, whose price, and whose provider's settings, are not its."""
    same_provider = spec.model.partition("/")[0] == model.partition("/")[0]
    left = {"price": "null", **({} if same_provider else OF_PROVIDER)}
    return [f"models.{name}.model={json.dumps(model)}", *(f"models.{name}.{field}={left[field]}" for field in left)]
