"""`reconciler state list|show|mv|rm|pull|push`, and the verbs of state_versions.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli import state_edits, state_versions
from reconciler.cli.console import Console
from reconciler.cli.files import read_bytes
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
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.render.page import safe
from reconciler.render.state_text import render_record


@click.group("state")
def command() -> None:
    """Look at the recorded resources, or correct the record. The live system is not touched."""


for verb in ("history", "rollback", "repair", "rewrap", "migrate"):
    command.add_command(getattr(state_versions, verb))


@command.command("list")
@click.argument("addresses", nargs=-1, type=AddressType())
@click.option("--id", "remote_id", metavar="ID", help="Only the resource with this remote id.")
@project_options
@screen_options
@reporting
def list_records(console: Console, addresses: tuple[Address, ...], remote_id: str | None, **flags: Any) -> None:
    """List recorded resources. With ADDRESSES only those, and what is nested in them."""
    snapshot = pipeline.recorded(project_of(flags)) or Snapshot("")
    for address in addresses:
        state_edits.require(snapshot, address)
    shown = [
        address
        for address, record in sorted(snapshot.records.items())
        if (not addresses or any(state_edits.is_within(address, given) for given in addresses))
        and remote_id in (None, record.id)
    ]
    console.note("\n".join(safe(address) for address in shown))


@command.command("show")
@click.argument("address", type=AddressType())
@project_options
@screen_options
@reporting
def show_record(console: Console, address: Address, **flags: Any) -> None:
    """Show one recorded resource."""
    snapshot = pipeline.recorded(project_of(flags)) or Snapshot("")
    state_edits.require(snapshot, address)
    console.note(render_record(snapshot.records[address], console.out.page))


@command.command("mv")
@click.argument("source", type=AddressType())
@click.argument("target", type=AddressType())
@project_options
@lock_options
@screen_options
@reporting
def move_record(console: Console, source: Address, target: Address, **flags: Any) -> None:
    """Rename a recorded resource. SOURCE, with all that is nested in it, is TARGET from now on."""
    pipeline.amend(
        project_of(flags), request_of(flags), lambda old: state_edits.moved(old or Snapshot(""), source, target)
    )
    console.note(f"{safe(source)} is now {safe(target)}.")


@command.command("rm")
@click.argument("addresses", nargs=-1, required=True, type=AddressType())
@project_options
@lock_options
@screen_options
@reporting
def remove_records(console: Console, addresses: tuple[Address, ...], **flags: Any) -> None:
    """Forget resources. What is nested in them goes along; the objects themselves stay."""
    removed: list[Address] = []

    def edit(old: Snapshot | None) -> Snapshot:
        left = state_edits.forgotten(old or Snapshot(""), addresses)
        removed.extend(sorted(set(old.records if old else ()) - set(left.records)))
        return left

    pipeline.amend(project_of(flags), request_of(flags), edit)
    console.note("\n".join(f"Forgot {safe(address)}." for address in removed))


@command.command("pull")
@project_options
@screen_options
@reporting
def pull(console: Console, **flags: Any) -> None:
    """Print the state document."""
    from reconciler.stores.document import encode

    snapshot = pipeline.recorded(project_of(flags))
    if snapshot is None:
        raise Refused([error("state.none", "There is no state in this workspace", "It is made by the first apply.")])
    console.note(encode(snapshot).decode().rstrip("\n"))


@command.command("push")
@click.argument("file")
@switch("force", "Replace the state even with one of another lineage, or an older one.")
@project_options
@lock_options
@screen_options
@reporting
def push(console: Console, file: str, force: bool, **flags: Any) -> None:
    """Replace the state by a document. FILE is what `pull` printed, or - for standard input."""
    from reconciler.stores.document import decode

    try:
        given = decode(read_bytes(file), file)
    except Refused as refused:
        raise Refused(replace(each, detail=state_edits.NOT_PUSHED) for each in refused.diagnostics) from None
    written = pipeline.amend(project_of(flags), request_of(flags), lambda old: state_edits.pushed(old, given, force))
    console.note(f"The state now has serial {written.serial} and {len(written.records)} resources.")
