"""`reconciler version`"""

from __future__ import annotations

import json
import platform

import click

from reconciler import __version__
from reconciler.cli.options import switch


@click.command("version")
@switch("json", "As JSON.", parameter="as_json")
def command(as_json: bool) -> None:
    """Show the version."""
    where = f"{platform.system().lower()}_{platform.machine()}"
    if as_json:
        click.echo(json.dumps({"reconciler_version": __version__, "platform": where}))
    else:
        click.echo(f"reconciler {__version__}\non {where}")
