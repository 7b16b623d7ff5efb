"""`reconciler resolve ADDRESS --adopt ID | --retry | --abandon`"""

from __future__ import annotations

from typing import Any

import click

from reconciler import pipeline
from reconciler.apply.resolution import Choice
from reconciler.cli.console import Console
from reconciler.cli.options import (
    AddressType,
    lock_options,
    project_of,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import request_of
from reconciler.model.address import Address
from reconciler.render.page import safe


@click.command("resolve")
@click.argument("address", type=AddressType())
@click.option("--adopt", metavar="ID", help="This object is it.")
@switch("retry", "It was not made: the next apply makes it. Refused while there is anything that could be it.")
@switch("abandon", "What looks like it is somebody else's, and is left alone.")
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, address: Address, adopt: str | None, retry: bool, abandon: bool, **flags: Any) -> None:
    """Say what became of ADDRESS, where an interrupted apply left several objects that could be it.

    With --adopt also to keep another of two that look alike.
    """
    if (adopt is not None) + retry + abandon != 1:
        raise click.UsageError("Give exactly one of --adopt ID, --retry and --abandon.")
    pipeline.resolve(project_of(flags), request_of(flags), address, Choice(adopt, retry), console)
    console.note(f"{safe(address)} is {safe(adopt)}." if adopt else f"{safe(address)} is settled: run plan.")
