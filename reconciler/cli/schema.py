"""`reconciler schema NAME`"""

from __future__ import annotations

import json

import click

from reconciler.cli.console import Console
from reconciler.cli.options import reporting, screen_options


@click.command("schema")
@click.argument("name", type=click.Choice(["config", "plan", "state", "events", "world"]))
@screen_options
@reporting
def command(console: Console, name: str) -> None:
    """Print a JSON Schema (draft 2020-12)."""
    from reconciler.schema import schemas

    console.note(json.dumps(schemas()[name](), indent=2, ensure_ascii=False))
