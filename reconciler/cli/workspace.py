"""`reconciler workspace list|new|select|show`"""

from __future__ import annotations

from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import project_of, project_options, reporting, screen_options
from reconciler.stores.workspace import create_workspace, select_workspace


@click.group("workspace")
def command() -> None:
    """Workspaces: several states of one configuration. RECONCILER_WORKSPACE wins over what is selected."""


@command.command("list")
@project_options
@screen_options
@reporting
def list_names(console: Console, **flags: Any) -> None:
    """List the workspaces; * marks the one in use."""
    home = pipeline.home_of(project_of(flags))
    names = sorted({*home.shelf.workspaces(), home.workspace})
    console.note("\n".join(f"{'*' if name == home.workspace else ' '} {name}" for name in names))


@command.command("new")
@click.argument("name")
@project_options
@screen_options
@reporting
def new(console: Console, name: str, **flags: Any) -> None:
    """Make an empty workspace and select it."""
    home = pipeline.home_of(project_of(flags))
    create_workspace(home.states, name, home.shelf.workspaces(), home.shelf.open)
    console.note(f'Made the workspace "{name}", and selected it. Its state is empty.')


@command.command("select")
@click.argument("name")
@project_options
@screen_options
@reporting
def select(console: Console, name: str, **flags: Any) -> None:
    """Use the workspace NAME from now on."""
    home = pipeline.home_of(project_of(flags))
    select_workspace(home.states, name, home.shelf.workspaces())
    console.note(f'Selected the workspace "{name}".')


@command.command("show")
@project_options
@screen_options
@reporting
def show(console: Console, **flags: Any) -> None:
    """Print the name of the workspace in use."""
    console.note(pipeline.home_of(project_of(flags)).workspace)
