"""`rayjob taxonomy check DIR`: is every dimension readable, every tag clear, every rule about tags that exist."""

from __future__ import annotations

import typer

from rayjob.cli.specs import AnyReader
from rayjob.labels.rules import parse_rules
from rayjob.labels.taxonomy import Taxonomy, is_dimension_file, parse_taxonomy
from rayjob.labels.taxonomy_lint import lint
from rayjob.plan.reading import why_unreadable
from rayjob.spec.base import Problem, SpecError

app = typer.Typer(name="taxonomy", help="Check a taxonomy.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Check a taxonomy."""


@app.command("check")
def check(
    folder: str = typer.Argument(..., metavar="DIR", help="A folder of dimensions, one YAML file each."),
    strict: bool = typer.Option(False, "--strict", help="Exit 2 on warnings too."),
) -> None:
    """Read every dimension and rule of DIR and say what is wrong or doubtful. Exit 2 on problems and errors."""
    texts = read_folder(folder)
    dimensions = {name: text for name, text in texts.items() if is_dimension_file(name)}
    if not dimensions:
        raise SpecError([Problem(folder, 0, "", "holds no dimension (a .yaml file each)")])
    taxonomy, problems = parse_taxonomy(dimensions)
    if not problems:
        problems = rule_problems(texts.keys() - dimensions.keys(), texts, taxonomy)
    if problems:
        raise SpecError([_inside(folder, problem) for problem in problems])
    findings = lint(taxonomy)
    for finding in findings:
        typer.echo(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    tags = sum(len(dimension.tags) for dimension in taxonomy.dimensions.values())
    typer.echo(
        f"{folder}: {len(taxonomy.dimensions)} dimensions, {tags} tags, "
        f"{errors} errors, {len(findings) - errors} warnings"
    )
    if errors or (strict and findings):
        raise typer.Exit(2)


def read_folder(folder: str) -> dict[str, str]:
    """The YAML files of a folder, local or s3://. Raises SpecError where they cannot be read."""
    reader = AnyReader()
    try:
        names = [name for name in reader.list_names(folder) if name.endswith((".yaml", ".yml"))]
        return {name: reader.read_text(f"{folder.rstrip('/')}/{name}") for name in names}
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(folder, 0, "", f"cannot read the taxonomy: {why_unreadable(error)}")]) from error


def rule_problems(names: set[str], texts: dict[str, str], taxonomy: Taxonomy) -> list[Problem]:
    """What is wrong with the files of rules beside the dimensions."""
    found: list[Problem] = []
    for name in sorted(names):
        _, problems = parse_rules(texts[name], taxonomy)
        found += [Problem(name, problem.line, problem.path, problem.message) for problem in problems]
    return found


def _inside(folder: str, problem: Problem) -> Problem:
    return Problem(f"{folder.rstrip('/')}/{problem.file}", problem.line, problem.path, problem.message)
