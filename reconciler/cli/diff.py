"""`reconciler diff BASE [HEAD]`"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import format_option, project_of, project_options, reporting, screen_options, switch
from reconciler.cli.plan import CHANGES
from reconciler.model.diagnostic import exit_code
from reconciler.plan.planner import Options
from reconciler.review.comparison import Sides, compare_sides


@click.command("diff")
@click.argument("base")
@click.argument("head", required=False)
@switch("detailed-exitcode", "Exit 0 if both mean the same, 2 if not.")
@click.option("--allow", "allowed", multiple=True, metavar="GUARD", help="Allow what this guard forbids.")
@format_option
@project_options
@screen_options
@reporting
def command(console: Console, base: str, head: str | None, **flags: Any) -> int:
    """Compare the meaning of two configurations: what applying HEAD would change where BASE is applied.

    Both are git revisions or directories; HEAD is the current directory if omitted. Prints nothing if they mean the
    same. Needs neither credentials nor a network, and runs nothing of what it reads.
    """
    from reconciler.plan.comparison import is_empty

    options = Options(allowed=frozenset(flags["allowed"]))
    made = compare_sides(project_of(flags), Sides(base, head), options)
    if is_empty(made):
        return 0
    console.show(made)
    if code := exit_code(made.diagnostics):
        return code
    return CHANGES if flags["detailed_exitcode"] else 0
