"""`reconciler destroy`"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.apply import perform
from reconciler.cli.console import Console
from reconciler.cli.options import (
    json_option,
    lock_options,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import plan_options


@click.command("destroy")
@switch("auto-approve", "Don't ask for approval.")
@json_option
@plan_options
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, **flags: Any) -> int:
    """Unmake everything recorded in this workspace; `plan -destroy` shows what that is."""
    return perform(console, flags, "destroy")
