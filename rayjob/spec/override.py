"""`--set a.b=yaml`: puts a value into a spec's YAML before it is validated. Repeats no value in a message."""

from __future__ import annotations

from rayjob.spec.base import Problem, SpecError
from rayjob.spec.wording import type_of
from rayjob.spec.yamltext import Path, YamlText, parse_yaml

#: Keys that may be written short, as a path alone: `output: runs/a` is `output: {path: runs/a}`.
SHORT = ("input", "output", "rules")


def apply_override(text: YamlText, override: str) -> None:
    """Set one dotted path; positions in a list are numbers: `steps.1.label.model=judge`. Raises SpecError."""
    name, sign, raw = override.partition("=")
    if not sign or not name:
        raise SpecError([Problem("--set", 0, "", f"found '{name}'; accepted: a.dotted.path=value")])
    file = f"--set {name}"
    value = parse_yaml(raw, file).value if raw.strip() else ""
    here: object = text.value
    path: Path = ()
    parts = name.split(".")
    for part in parts[:-1]:
        key = _key(here, part, file)
        below = _enter(here, key, is_top=not path)
        if below is None:
            raise SpecError([Problem(file, 0, "", f"cannot go into '{part}': it holds {type_of(_get(here, key))}")])
        here, path = below, (*path, key)
    key = _key(here, parts[-1], file)
    here[key] = value  # type: ignore[index]
    text.overrides.add((*path, key))


def _key(here: object, part: str, file: str) -> str | int:
    """The key or position that a part of the dotted path means."""
    if not isinstance(here, list):
        return part
    if not part.isdecimal() or int(part) >= len(here):
        raise SpecError([Problem(file, 0, "", f"'{part}' is no position in a list of {len(here)} (the first is 0)")])
    return int(part)


def _get(here: object, key: str | int) -> object:
    return here[key] if isinstance(here, list) else here.get(key)  # type: ignore[index,attr-defined]


def _enter(here: object, key: str | int, is_top: bool) -> object:
    """What stands at a key: nothing becomes a mapping, a short form its long one; None where neither can be."""
    found = _get(here, key)
    if found is None:
        found = {}
    elif isinstance(here, list) and isinstance(found, str):
        found = {found: None}  # `- prepare`
    elif is_top and key in SHORT and not isinstance(found, dict):
        found = {"path": found}
    elif not isinstance(found, dict | list):
        return None
    here[key] = found  # type: ignore[index]
    return found
