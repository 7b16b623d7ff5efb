"""`reconciler state history|rollback|repair|migrate`"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.options import (
    Whole,
    json_option,
    lock_options,
    project_of,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import request_of
from reconciler.config.files import SourceFile
from reconciler.config.loader import Inputs, load
from reconciler.config.settings import StateSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Version
from reconciler.render.page import safe
from reconciler.stores.durable import make_directory, write_synced, writing
from reconciler.stores.kept import KeptStore


@click.command("history")
@json_option
@project_options
@screen_options
@reporting
def history(console: Console, **flags: Any) -> None:
    """List the versions of the state, newest first: when, who, in which operation, for which plan.

    A damaged one is listed as such, and makes the exit code 1.
    """
    with closing(pipeline.home_of(project_of(flags)).store()) as store:
        listed = store.listing()
    for serial, version, damage in listed:
        if flags["json"]:
            told = {"damage": damage.summary} if damage is not None else {}
            click.echo(json.dumps({"serial": serial, **(asdict(version) if version is not None else {}), **told}))
            continue
        shown = _told(version) if version is not None else ""
        label = "" if damage is None or damage.code == "state.moved" else "DAMAGED: "
        wrong = f"{label}{safe(damage.summary)}" if damage is not None else ""
        console.note(f"{'now' if serial is None else serial:>6}  {'; '.join(part for part in (shown, wrong) if part)}")
    if damages := [damage for _, _, damage in listed if damage is not None]:
        raise Refused(damages)


def _told(version: Version) -> str:
    plan = f", plan {version.plan[:12]}{' in part' if version.partial else ''}" if version.plan else ""
    by = f"{safe(version.who)}, {safe(version.operation) or 'without a lock'}{plan}"
    return f"{version.at or 'earlier'}  {by}, {version.resources} resources"


@click.command("rollback")
@click.option("--to", "serial", type=Whole(0), required=True, metavar="SERIAL", help="See `state history`.")
@switch("auto-approve", "Put that version back; without this its plan is shown, and nothing changed.")
@project_options
@lock_options
@screen_options
@reporting
def rollback(console: Console, serial: int, auto_approve: bool, **flags: Any) -> None:
    """Show what would be planned if the state were that of SERIAL again, and put it back if that is approved.

    Only the record is put back; the live system is changed by the next apply.
    """
    pipeline.restore(project_of(flags), request_of(flags), serial, console, auto_approve)
    if auto_approve:
        console.note(f"The state is that of serial {serial} again. This is the plan of the next apply.")
    else:
        console.note(f"Nothing was changed. -auto-approve puts version {serial} back, and then this is the next plan.")


@click.command("repair")
@switch("auto-approve", "Do it; without this it is only told what would be done.")
@project_options
@lock_options
@screen_options
@reporting
def repair(console: Console, auto_approve: bool, **flags: Any) -> None:
    """Find out what is damaged, and put the newest sound version in its place.

    The exit code is 1 as long as something is damaged.
    """
    from reconciler.stores.repair import examine
    from reconciler.stores.repair import repair as mend

    home = pipeline.home_of(project_of(flags))
    with closing(home.store()) as store, ExitStack() as stack:
        if flags["lock"]:
            stack.enter_context(store.lock("state repair", flags["lock_timeout"]))
        damage = examine(store)
        for sentence in damage.found:
            console.note(f"{safe(sentence)}.")
        if not damage.found:
            console.note("Nothing is damaged.")
            return
        if not auto_approve:
            told = f"{store.describe()} is damaged, and nothing was changed"
            raise Refused([error("state.damaged", told, "-auto-approve repairs it, and keeps what is there in files.")])
        _set_aside(console, home.states, store, f"{home.workspace}.damaged")
        mend(store, damage)
    if damage.serial is not None:
        console.note(f"The state is that of serial {damage.serial}.")
    console.note("What was made and is recorded no more shows in the next plan as already existing.")


@click.command("rewrap")
@project_options
@lock_options
@screen_options
@reporting
def rewrap(console: Console, **flags: Any) -> None:
    """Bring under the current key what a former one (state.encryption.previous) encrypted: state, versions, journal.

    Then the former key opens only what was saved elsewhere: plans, and backups of your own.
    """
    from reconciler.stores.sealed import SealedMedium

    with closing(pipeline.home_of(project_of(flags)).store()) as store:
        if not isinstance(store.medium, SealedMedium):
            told = "The configuration says nothing of encryption"
            raise Refused([error("state.plain", told, "Name a key under state.encryption.key.")])
        with store.lock("state rewrap", flags["lock_timeout"]):
            done = store.medium.rewrap()
    if done:
        console.note(
            f"The state is under the current key now, with its journal and all versions: {done} were not. Plans that "
            "were saved before open with the former key only, so plan again, and remove it."
        )
    else:
        console.note("It was under the current key already.")


@click.command("migrate")
@click.option("--to", "target", required=True, metavar="STORE", help="As in the configuration: 'sqlite: {path: s.db}'.")
@project_options
@lock_options
@screen_options
@reporting
def migrate(console: Console, target: str, **flags: Any) -> None:
    """Move the state of the workspace in use, its versions and its journal to another store.

    What is left in the old place refuses whoever still uses it, and says where the state went.
    """
    from reconciler.stores.migration import migrate as copy

    home = pipeline.home_of(project_of(flags))
    settings = _settings_of(target)
    if settings.encryption is None:
        settings = settings.model_copy(update={"encryption": home.settings.state.encryption})
    shelf = replace(home.shelf, settings=settings)
    with closing(home.store()) as source, closing(shelf.open(home.workspace)) as there, ExitStack() as stack:
        if source.describe() == there.describe():
            told = f"The state is kept in {source.describe()} already"
            raise Refused([error("usage.same-store", told, "Name the store it shall move to.")])
        if flags["lock"]:
            stack.enter_context(source.lock("state migrate", flags["lock_timeout"]))
            stack.enter_context(there.lock("state migrate", flags["lock_timeout"]))
        moved = copy(source, there)
        console.note(
            f"Copied serial {moved.serial} with {moved.resources} resources and {moved.versions} versions to "
            f"{safe(there.describe())}.\nNow write in the configuration: state: {{{safe(target)}}}"
            f"{', with the encryption as it is' if settings.encryption else ''}"
        )
        _leave(console, source, there)
    stay = home.states
    moved_home = replace(home, settings=home.settings.model_copy(update={"state": settings}))
    left = sorted(str(path) for path in (stay / "workspace", home.sandbox) if path is not None and path.is_file())
    if left and moved_home.states != stay:
        console.note(
            f"What is kept on this machine is looked for in {safe(str(moved_home.states))} then. Before the next plan "
            f"move there: {safe(', '.join(left))}"
        )


def _leave(console: Console, source: KeptStore, target: KeptStore) -> None:
    from reconciler.stores.migration import leave

    try:
        leave(source, target)
    except Refused as refused:
        told = f"The old state in {source.describe()} could not be marked as moved: there are two now"
        way = "Go on with the new one, and make sure that nobody uses the old one any more: move it away."
        raise Refused([error("state.two", told, way), *refused.diagnostics]) from None
    console.note(
        f"In {safe(source.describe())} only the versions from before are left. Whoever still uses it is refused, and "
        "told where the state went."
    )


def _settings_of(text: str) -> StateSettings:
    source = SourceFile("-to", f"version: 1\nstate: {{{text}}}\n".encode())
    return load((source,), Inputs()).settings.state


def _set_aside(console: Console, directory: Path, store: KeptStore, name: str) -> None:
    """What is there now, in files on this machine, beside those of earlier repairs, and as private as the state."""
    for kind, data in store.remains():
        names = (f"{name}{f'-{number}' if number > 1 else ''}.{kind}" for number in count(1))
        path = next(path for path in map(directory.joinpath, names) if not os.path.lexists(path))
        with writing(path):
            make_directory(directory)
            write_synced(path, data)
        console.note(f"What was there is kept in {safe(str(path))}.")
