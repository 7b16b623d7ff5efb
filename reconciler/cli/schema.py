"""`reconciler schema NAME`"""

from __future__ import annotations

import click

from reconciler.cli.console import Console
from reconciler.cli.options import OneOf, reporting, screen_options


@click.command("schema")
@click.argument("name", type=OneOf(["config", "plan", "state", "events", "world", "workspaces"]))
@screen_options
@reporting
def command(console: Console, name: str) -> None:
    """Print a JSON Schema (draft 2020-12)."""
    from reconciler.schema import text_of

    console.note(text_of(name).rstrip())
