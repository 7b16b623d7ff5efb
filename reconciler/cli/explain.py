"""`reconciler explain [CHECK_ID]`"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import reporting, screen_options
from reconciler.config.findings import suggest
from reconciler.model.diagnostic import Refused, error
from reconciler.readiness.catalogue import CHECKS
from reconciler.render.checks_text import render_catalogue, render_check


@click.command("explain")
@click.argument("check", required=False, metavar="[CHECK_ID]")
@screen_options
@reporting
def command(console: Console, check: str | None, **flags: Any) -> None:
    """Say what a check looks at, why, and how to mend what it finds. Without CHECK_ID, list them all."""
    if check is None:
        console.note(render_catalogue(console.out.page))
        return
    found = CHECKS.get(check)
    if found is None:
        detail = suggest(check, CHECKS, "`reconciler explain` lists them.")
        raise Refused([error("usage.unknown-check", f"There is no check {check}", detail)])
    console.note(render_check(found, console.out.page))
