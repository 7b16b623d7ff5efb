"""`reconciler graph`"""

from __future__ import annotations

from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import (
    OneOf,
    lock_options,
    project_of,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import request_of
from reconciler.graph import build_graph
from reconciler.project import validate
from reconciler.render.graph_text import FORMATS, picture_resources, picture_steps, render_graph


@click.command("graph")
@switch("steps", "The steps of the current plan, instead of the resources.")
@switch("destroy", "With -steps: of the plan to unmake everything.")
@click.option("--format", "form", type=OneOf(FORMATS), default="dot", show_default=True, help="How to draw it.")
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, form: str, steps: bool, **flags: Any) -> None:
    """Draw what needs what (source needs target), or what waits for what in the current plan."""
    project = project_of(flags)
    if steps:
        picture = picture_steps(pipeline.plan(project, request_of(flags), console))
    else:
        resources = validate(project).resources
        build_graph(resources)
        picture = picture_resources(resources)
    console.note(render_graph(picture, form))
