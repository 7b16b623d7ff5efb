"""What the `state` verbs make of a snapshot, each refusing what would leave it unsound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from reconciler.apply.edit import Rename, amend
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot

NOT_PUSHED = (
    "Nothing was changed. Push what `state pull` printed, byte for byte; `state mv`, `state rm`, `state rollback` and "
    "import blocks correct a state without editing it."
)
_PUSHING = "Pushing this file"


def is_within(address: Address, outer: Address) -> bool:
    return address == outer or address.startswith(f"{outer}/")


def require(snapshot: Snapshot, address: Address) -> None:
    """Refused, with the nearest name, if `address` is not recorded."""
    if address in snapshot.records:
        return
    near = get_close_matches(address, snapshot.records, n=1)
    detail = f"Did you mean {near[0]}?" if near else "`reconciler state list` shows what is."
    raise Refused([error("state.no-such-address", f"{address} is not recorded in this workspace", detail)])


def moved(snapshot: Snapshot, source: Address, target: Address) -> Snapshot:
    require(snapshot, source)
    if source == target:
        told = f"Source and target are the same: {source}"
        raise Refused([error("state.address-taken", told, "Choose another target.")])
    if target in snapshot.records:
        raise Refused([error("state.address-taken", f"{target} is recorded already", "Choose another address.")])
    if source.kind != target.kind or source.parent != target.parent:
        told = f"{source} can't become {target}: only the name may change"
        raise Refused([error("state.other-kind", told, "Kind and parent stay what they are.")])
    records = dict(snapshot.records)
    amend(records, Rename(source, target))
    return _sound(replace(snapshot, records=records), f"Moving {source}")


def forgotten(snapshot: Snapshot, addresses: Iterable[Address]) -> Snapshot:
    given = tuple(addresses)
    for address in given:
        require(snapshot, address)
    left = {a: r for a, r in snapshot.records.items() if not any(is_within(a, address) for address in given)}
    return _sound(replace(snapshot, records=left), f"Forgetting {', '.join(given)}")


def pushed(old: Snapshot | None, given: Snapshot, force: bool) -> Snapshot:
    """`given`, as the successor of `old`."""
    if old is None:
        return _sound(given, _PUSHING)
    if not force and given.lineage != old.lineage:
        told = "The file is the state of something else: its lineage differs from what is recorded here"
        raise Refused([error("stale.lineage", told, "-force replaces the state all the same; a backup is kept.")])
    if not force and given.serial < old.serial:
        told = f"The file is older than the state: its serial is {given.serial}, the state's is {old.serial}"
        raise Refused([error("stale.serial", told, "-force replaces the state all the same; a backup is kept.")])
    return _sound(replace(given, serial=max(old.serial, given.serial)), _PUSHING)


def _sound(snapshot: Snapshot, doing: str) -> Snapshot:
    if faults := snapshot.faults():
        detail = "Name those resources as well, or change them first."
        raise Refused(
            error("state.unsound", f"{doing} would leave an unsound state: {fault}", detail) for fault in faults
        )
    return snapshot
