"""What of a spec changes an answer, part by part, so that two runs can be told apart and the difference spelled out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from rayjob.plan.describe import describe_steps
from rayjob.plan.reading import prompt_file
from rayjob.plan.resolve import Resolved
from rayjob.spec.models import ModelSpec

#: Settings of a model that change how it is called, not what it answers.
CALLING_ONLY = {
    "api_base", "replicas", "api_key_env", "timeout_s", "deadline_s", "limits", "price", "transport", "mode", "batch",
}  # fmt: skip
#: Settings of a step that change no answer: its name, and where its prompt lies (the text counts by itself).
ABOUT_NAMES = {"name", "prompt"}


def fingerprint_parts(resolved: Resolved) -> dict[str, str]:
    """`{part: 12 hex digits}` over everything that changes an answer, sorted by part."""
    job = resolved.job
    parts: dict[str, object] = {"input": job.input.model_dump(mode="json")}
    for name, dimension in resolved.taxonomy.dimensions.items():
        parts[f"taxonomy {name}"] = repr(dimension)
    for step in job.steps:
        parts[f"step {step.name}"] = [step.kind, step.settings.model_dump(mode="json", exclude=ABOUT_NAMES)]
    for name in used_models(resolved):
        parts[f"model {name}"] = _answering(job.models[name])
    parts |= {f"prompt {'/'.join(file.rsplit('/', 2)[-2:])}": text for file, text in used_prompts(resolved).items()}
    if job.layout != "per_step":
        parts["layout"] = job.layout
    if job.rules:
        parts["rules"] = [resolved.texts.rules, job.rules.evaluate]
    if resolved.texts.calibration:
        parts["calibration"] = resolved.texts.calibration
    return {name: _digest(parts[name]) for name in sorted(parts)}


def used_models(resolved: Resolved) -> list[str]:
    """The models that steps ask, and those that these fall back to. A budget's cheaper model is not among them."""
    models = resolved.job.models
    found: list[str] = []
    waiting = [name for step in describe_steps(resolved) for name in step.models]
    while waiting:
        name = waiting.pop()
        if name in models and name not in found:
            found.append(name)
            waiting += [models[name].fallback or ""]
    return sorted(found)


def used_prompts(resolved: Resolved) -> dict[str, str]:
    """The texts of the prompts that steps name and of the files that these take in (or mention in quotes), by path."""
    found: dict[str, str] = {}
    waiting = [file for step in resolved.job.steps if (file := prompt_file(step, resolved.job.layout))]
    while waiting:
        folder, _, name = waiting.pop().rpartition("/")
        files = resolved.texts.prompts.get(folder, {})
        if name in files and f"{folder}/{name}" not in found:
            text = found[f"{folder}/{name}"] = files[name]
            waiting += [f"{folder}/{other}" for other in files if f'"{other}"' in text or f"'{other}'" in text]
    return found


def _answering(model: ModelSpec) -> dict[str, object]:
    return model.model_dump(mode="json", exclude=CALLING_ONLY)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def fingerprint(parts: Mapping[str, str]) -> str:
    """One hash of all parts, 16 hex digits."""
    return _digest(dict(parts)) + _digest(sorted(parts.values()))[:4]


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What changed between two runs, one sentence a part: `prompt code-sft/capability.j2 changed`."""
    said: list[str] = []
    for part in sorted(before.keys() | now.keys()):
        if part not in now:
            said.append(f"{part} is gone")
        elif part not in before:
            said.append(f"{part} is new")
        elif before[part] != now[part]:
            said.append(f"{part} changed")
    return said
