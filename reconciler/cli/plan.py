"""`reconciler plan`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.files import program, write_file
from reconciler.cli.options import (
    format_option,
    json_option,
    lock_options,
    project_of,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import plan_options, request_of
from reconciler.model.diagnostic import exit_code
from reconciler.plan.document import Plan
from reconciler.plan_files import written_plan
from reconciler.render.page import Page
from reconciler.render.summary import count

CHANGES = 2


@click.command("plan")
@click.option("--out", metavar="FILE", help="Save the plan; `apply FILE` performs exactly it.")
@switch("detailed-exitcode", "Exit 0 if nothing would change, 2 if something would.")
@format_option
@json_option
@plan_options
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, **flags: Any) -> int:
    """Show what apply would change.

    Reads the configuration and the state, looks at the live system, and changes neither.
    """
    made = pipeline.plan(project_of(flags), request_of(flags), console)
    console.show(made)
    if flags["out"]:
        write_file(Path(flags["out"]), written_plan(project_of(flags), made))
    console.note(_advice(made, flags["out"], console.out.page))
    if code := exit_code(made.diagnostics):
        return code
    return CHANGES if flags["detailed_exitcode"] and (has_changes(made) or made.is_held_up) else 0


def has_changes(made: Plan) -> bool:
    """Whether applying the plan would change anything, be it only what is recorded."""
    if made.basis.operation == "refresh-only":
        return bool(made.drift)
    return bool(made.steps) or not count(made.changes).is_empty


def _advice(made: Plan, out: str | None, page: Page) -> str:
    if out:
        return f"\nSaved the plan to {out}. To perform exactly these actions:\n    {program()} apply {out}"
    if not has_changes(made) or not made.is_applyable:
        return ""
    told = "Note: the plan was not saved (-out), so apply will make it anew and may find something else to do."
    return "\n" + "\n".join(page.wrap(told))
