"""`rayjob schema`: the JSON Schema of a spec, for editors that complete and check YAML."""

from __future__ import annotations

import typer

from rayjob.spec.schema import spec_schema


def schema() -> None:
    """Print the JSON Schema of specs; point `# yaml-language-server: $schema=…` at the saved file."""
    import json

    typer.echo(json.dumps(spec_schema(), indent=2))
