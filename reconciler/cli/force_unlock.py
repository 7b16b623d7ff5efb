"""`reconciler force-unlock ID`"""

from __future__ import annotations

from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import project_of, project_options, reporting, screen_options, switch


@click.command("force-unlock")
@click.argument("lock_id", metavar="ID")
@switch("force", "Accepted for Terraform's sake: nothing is asked here.")
@project_options
@screen_options
@reporting
def command(console: Console, lock_id: str, force: bool, **flags: Any) -> None:
    """Remove the lock ID that a run left behind which no longer lives."""
    pipeline.home_of(project_of(flags)).store().force_unlock(lock_id)
