"""`reconciler force-unlock ID`"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import project_of, project_options, reporting, screen_options, switch
from reconciler.render.page import safe


@click.command("force-unlock")
@click.argument("lock_id", metavar="ID")
@switch("force", "Accepted for Terraform's sake: nothing is asked here.")
@project_options
@screen_options
@reporting
def command(console: Console, lock_id: str, force: bool, **flags: Any) -> None:
    """Remove the lock ID that a run left behind which no longer lives."""
    with closing(pipeline.home_of(project_of(flags)).store()) as store:
        store.force_unlock(lock_id)
    console.note(f"The lock {safe(lock_id)} is removed. Whoever held it can no longer write.")
