"""`rayjob init [DIR]`: a folder with a spec, a taxonomy, prompts and examples that run as they are."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import typer

import rayjob
from rayjob.cli.run import UserError

#: What is scaffolded: files and folders of the repository, which the wheel carries under rayjob/scaffold/.
SCAFFOLD = ("specs/quickstart.yaml", "specs/rayjob.schema.json", "taxonomy", "prompts", "examples")


def init(
    folder: str = typer.Argument(".", metavar="DIR", help="Where to; made if it is not there."),
    force: bool = typer.Option(False, "--force", help="Overwrite files that are there already."),
) -> None:
    """Scaffold DIR: a spec, the code-sft taxonomy, its prompts and fifty conversations to try them on."""
    if "://" in folder:
        raise UserError(f"init writes to a local folder, found {folder}")
    source, target = find_scaffold(), Path(folder)
    wanted = list_scaffold(source)
    there = [path for path in wanted if (target / path).exists()]
    if there and not force:
        shown = "".join(f"\n  {path}" for path in there[:12]) + ("\n  …" if len(there) > 12 else "")
        raise UserError(
            f"{len(there)} of {len(wanted)} files are in {target} already:{shown}\n"
            "Two ways on: another folder, or --force to overwrite them."
        )
    try:
        for path in wanted:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target / path)
    except OSError as error:  # a file where a folder belongs, no right to write, a full disk
        raise UserError(f"cannot write {error.filename2 or error.filename}: {error.strerror}") from error
    typer.echo(f"{len(wanted)} files in {target}: specs, taxonomy, prompts, examples")
    typer.echo(f"now: {'' if folder == '.' else f'cd {shlex.quote(folder)} && '}rayjob run specs/quickstart.yaml")


def find_scaffold() -> Path:
    """Where the files lie: in the installed package, or beside it in a checkout. Raises UserError."""
    package = Path(rayjob.__file__).parent
    for folder in (package / "scaffold", package.parent):
        if (folder / SCAFFOLD[0]).is_file():
            return folder
    raise UserError(f"the files of `rayjob init` are missing from {package}: install rayjob again")


def list_scaffold(source: Path) -> list[str]:
    """Relative paths of all files to copy, sorted."""
    found: set[str] = set()
    for name in SCAFFOLD:
        path = source / name
        files = path.rglob("*") if path.is_dir() else [path]
        found |= {file.relative_to(source).as_posix() for file in files if file.is_file() and not _is_hidden(file)}
    return sorted(found)


def _is_hidden(file: Path) -> bool:
    return file.name.startswith(".") or "__pycache__" in file.parts
