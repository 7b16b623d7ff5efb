"""`reconciler workspace list|new|select|show`"""

from __future__ import annotations

from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import project_of, project_options, reporting, screen_options
from reconciler.model.diagnostic import Diagnostic, warning
from reconciler.project import Project
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
    project = project_of(flags)
    home = pipeline.home_of(project)
    create_workspace(home.states, name, home.shelf.workspaces(), home.shelf.open)
    console.note(f'Made the workspace "{name}", and selected it. Its state is empty.')
    console.diagnose(_overruled(name, project))


@command.command("select")
@click.argument("name")
@project_options
@screen_options
@reporting
def select(console: Console, name: str, **flags: Any) -> None:
    """Use the workspace NAME from now on."""
    project = project_of(flags)
    home = pipeline.home_of(project)
    select_workspace(home.states, name, home.shelf.workspaces())
    console.note(f'Selected the workspace "{name}".')
    console.diagnose(_overruled(name, project))


@command.command("show")
@project_options
@screen_options
@reporting
def show(console: Console, **flags: Any) -> None:
    """Print the name of the workspace in use."""
    console.note(pipeline.home_of(project_of(flags)).workspace)


def _overruled(name: str, project: Project) -> tuple[Diagnostic, ...]:
    """What was selected is not what the next command uses, where the environment names another."""
    chosen = project.environment.get("RECONCILER_WORKSPACE")
    if not chosen or chosen == name:
        return ()
    told = f'RECONCILER_WORKSPACE is set, so "{chosen}" stays the workspace in use'
    return (warning("workspace.overruled", told, "Unset the variable to use what is selected."),)
