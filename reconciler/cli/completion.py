"""`reconciler completion SHELL`"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli.options import OneOf


@click.command("completion")
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script; bash: eval "$(reconciler completion bash)" """
    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(ctx.find_root().command, {}, "reconciler", "_RECONCILER_COMPLETE").source())
