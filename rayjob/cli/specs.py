"""Reads a spec from disk or S3 for the commands: file, overrides, resolution, plan."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rayjob.plan.check import check_and_compile, find_problems
from rayjob.plan.graph import Plan
from rayjob.plan.reading import Reader, why_unreadable
from rayjob.plan.resolve import Resolved, read_files
from rayjob.spec.base import Problem, SpecError
from rayjob.spec.load import LoadedSpec, read_spec


@dataclass(frozen=True, slots=True)
class Opened:
    """A spec, resolved and compiled."""

    loaded: LoadedSpec
    resolved: Resolved
    plan: Plan


class LocalReader:
    """Reads local files without loading pyarrow: `validate` answers before that is imported."""

    def read_text(self, path: str) -> str:
        """The text of a file."""
        with open(path, encoding="utf-8") as file:
            return file.read()

    def exists(self, path: str) -> bool:
        """Whether there is a file, a folder or something that a glob matches; true for what is not local."""
        return "://" in path or os.path.exists(path) or next(glob.iglob(path, recursive=True), None) is not None

    def list_names(self, folder: str) -> Sequence[str]:
        """The names in a folder, sorted."""
        return sorted(os.listdir(folder))


class AnyReader(LocalReader):
    """Local files, and S3 through the store, whose errors become those of a local disk."""

    def read_text(self, path: str) -> str:
        """The text of a file or object."""
        if "://" not in path:
            return super().read_text(path)
        from rayjob.store import files

        with as_os_errors():
            return str(files.read_text(path))

    def list_names(self, folder: str) -> Sequence[str]:
        """The names in a folder or under a prefix, sorted."""
        if "://" not in folder:
            return super().list_names(folder)
        from rayjob.store import files

        with as_os_errors():
            return sorted(uri.rsplit("/", 1)[-1] for uri in files.list_folder(folder))


@contextmanager
def as_os_errors() -> Iterator[None]:
    """StoreErrors as OSErrors, so that what cannot be read is one problem among others."""
    from rayjob.store.errors import StoreError

    try:
        yield
    except StoreError as error:
        raise (FileNotFoundError if error.kind == "missing" else OSError)(error.found) from error


def open_spec(path: str, overrides: Sequence[str] = ()) -> Opened:
    """Load, resolve and compile. Raises SpecError with every problem."""
    try:
        text = AnyReader().read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the spec: {why_unreadable(error)}{_did_you_mean(path)}"
        raise SpecError([Problem(path, 0, "", message)]) from error
    return open_text(text, path, overrides)


def _did_you_mean(path: str) -> str:
    """A local spec that is named alike, or that stands in the folder that was given."""
    if "://" in path or os.path.isfile(path):
        return ""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    have = [*glob.glob(os.path.join(glob.escape(folder), "*.yaml")), *glob.glob("specs/*.yaml")]
    names = {os.path.basename(spec).removesuffix(".yaml"): spec for spec in sorted(have)}
    wanted = os.path.basename(path).removesuffix(".yaml")
    near = [*names] if os.path.isdir(path) else difflib.get_close_matches(wanted, names)
    return f"; did you mean {names[near[0]]}?" if near else ""


def open_text(text: str, path: str, overrides: Sequence[str] = ()) -> Opened:
    """The same of a spec's text that stands (or would stand) at `path`."""
    reader: Reader = AnyReader()
    loaded, problems = read_spec(text, path, overrides)
    folder = path.rpartition("/")[0] if "://" in path else os.path.dirname(os.path.abspath(path))
    resolved, more = read_files(loaded, folder, reader)
    if problems or more:  # what the rest of the spec names is checked all the same: one look shows everything
        raise SpecError([*problems, *more, *find_problems(loaded, resolved)])
    return Opened(loaded, resolved, check_and_compile(loaded, resolved))
