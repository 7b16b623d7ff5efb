"""`reconciler adopt`"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from reconciler import takeover
from reconciler.cli.console import Console
from reconciler.cli.files import read_bytes, write_file
from reconciler.cli.options import lock_options, project_of, project_options, reporting, screen_options, switch
from reconciler.cli.planning import request_of
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.render.page import columns, listing, safe

_KINDS = ("mcp_server", "authorization_server", "client_registration")


@click.command("adopt")
@click.argument("chosen", nargs=-1, metavar="[ADDRESS=ID]...")
@switch("all", "Take over everything that can be described.")
@click.option("--from", "registry", metavar="FILE", help="Propose blocks from a registry's server.json or an mcp.json.")
@click.option("--file", "name", default="adopted.yaml", show_default=True, help="The file to write in the directory.")
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, chosen: tuple[str, ...], registry: str | None, name: str, **flags: Any) -> int:
    """Take over what was not made from here.

    Without arguments it is listed. What is taken over is written to a new file of the configuration and recorded; a
    plan has nothing to do with it then. Secrets can't be read: references to be filled in stand in their place.
    """
    if sum(map(bool, (chosen, flags["all"], registry is not None))) > 1:
        raise click.UsageError("Give -all, or -from FILE, or ADDRESS=ID: they exclude each other.")
    if registry is not None:
        from reconciler.config.registries import proposed

        console.note(proposed(read_bytes(registry), registry).rstrip("\n"))
        return 0
    project = project_of(flags)
    if not chosen and not flags["all"]:
        found = takeover.unmanaged(project, console)
        rows = [(f.kind, f.id, safe(f.name), str(f.status_after)) for f in found]
        console.note("\n".join(columns(rows)) or "Everything there is, is managed.")
        return 0
    if re.fullmatch(r"[\w-][\w.-]*\.ya?ml", name) is None:
        raise click.UsageError("--file takes the name of a .yaml file in the configuration's directory.")
    wanted = None if flags["all"] else dict(map(_binding, chosen))
    path = _free(project.directory / name)
    file = takeover.NewFile(path.name, lambda text: write_file(path, text.encode()))
    taken = takeover.take_over(project, wanted, request_of(flags), console, file)
    console.diagnose(taken.left)
    if not taken.addresses:
        console.note("There was nothing to take over.")
        return 0
    console.note(f"Took over {listing(map(safe, taken.addresses))}; described in {path}.")
    if "client_secret:" in taken.text:
        console.note("Secrets can't be read from the live system: fill in where each client_secret is to be found.")
    return 0


def _binding(text: str) -> tuple[str, Address]:
    written, equals, identity = text.rpartition("=")
    try:
        address = Address.parse(written)
    except ValueError:
        equals = ""
    if not equals or not identity or address.kind not in _KINDS:
        told = f'adopt takes ADDRESS=ID, not "{text}"'
        raise Refused(
            [error("usage.adopt", told, f"One looks like mcp_server.github=ems1; kinds: {', '.join(_KINDS)}.")]
        )
    return identity, address


def _free(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{number}") for number in range(2, 10_000))
    return path if not path.exists() else next(name for name in names if not name.exists())
